"""The embedded picture world, in which the whole paper can be rerun on a laptop.

Small drawn pictures of some five hundred classes, made from (world, seed, index) alone: any picture
can be made by itself, in any order, by any number of workers. `taxonomy` names the classes,
`leaves` says how each is drawn, `scenes` decides what a picture shows, `labels` what is said of it,
and `rendering` paints.

What it models of the paper's data (JFT-300M):
- a long tail: the commonest leaf class has more than a thousand times the images of the rarest;
- a hierarchy of classes, several levels deep, in which some classes have several parents;
- several labels an image, given for leaves and closed over their ancestors;
- noise: a fifth of the labels are wrong, most of them a sibling's; some are missing; the rates are
  constants in `labels`;
- near duplicates, where they are asked for (`--copies`): the same picture, darker and saved anew,
  with labels of its own, in either split;
- a downstream task, "transfer", with clean labels of classes that pretraining never shows;
- what the other downstream tasks need: boxes, classes of pixels and 17 keypoints of people;
- classes that pixels alone do not tell apart: of the 50 of "transfer", learned from 3,200 images, a
  linear model on raw pixels finds 7.4% and the demo's small ResNet 77.8% (top-1 of 800 others; see
  `benchmarks.separability`).

What it does not model:
- photographs: textures, materials and backgrounds are few and drawn, and things do not touch;
- context: which objects occur together, and before what, is independent of what they are;
- noise that depends on the picture: a confusion depends on the classes alone;
- near duplicates that are cropped, turned or written upon; sources of different quality, what
  people choose to photograph;
- size: JFT-300M has 18,291 classes; here is the picture of a tail, not the length of one.
"""
