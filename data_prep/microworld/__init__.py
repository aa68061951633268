"""The embedded picture world, in which the whole paper can be rerun on a laptop.

Small drawn pictures of a few hundred classes, made from (world, seed, index) alone: any picture can be
made by itself, in any order, by any number of workers. `taxonomy` names the classes, `leaves` says how
each is drawn, `scenes` decides what a picture shows, `labels` what is said of it, `rendering` paints.

What it models of the paper's data (JFT-300M):
- a long tail: the commonest of the leaf classes has more than a thousand times the images of the rarest;
- a hierarchy of classes, several levels deep, in which some classes have several parents;
- several labels an image, which are given for leaves and closed over their ancestors;
- noise: a fifth of the labels are wrong, most of them a sibling's; some labels are missing; the rates
  are constants in `labels`;
- a downstream task on classes that pretraining never shows ("transfer"), with clean labels.
- beyond labels, what the paper's other downstream tasks need: boxes, pixel classes and 17 keypoints.

What it does not model:
- photographs: textures, materials and backgrounds are few, and no two object parts interact;
- context: which objects occur together, and where, is independent of what they are;
- noise that depends on the picture: a confusion depends on the classes alone, and on no look-alikes;
- near duplicates, several sources with different noise, people's skewed choice of what to photograph;
- size: 18,291 classes and 300 million images; here are some five hundred classes, and as many images as
  one cares to draw.
"""
