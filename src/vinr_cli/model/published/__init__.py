"""The published network (VideoINR, CVPR 2022): 11,312,698 parameters, 442 state-dict keys.

The state dict has the names and shapes of the authors' files, so their weights load as they are.
The layers `upconv1`, `upconv2`, `HRconv` and `conv_last` come from Zooming Slow-Mo and are never
used; they exist for the keys alone.

What is computed is the published function; how differs (docs/design.md says what it gains). The
first layer of each of the three networks is linear, and a linear map commutes with nearest and
with bilinear sampling: its products with the LR features are done once per pair, in `prepare`. An
output pixel is rendered in bands of rows, channels last, and nothing as wide as the decoder's 525
inputs is ever built. Two things are better than published: the nearest LR pixel comes from integer
arithmetic, and a tile is sampled at the positions of its frame.

Sizes that are no multiple of 4 are padded by replication for the encoder and its features cropped.
The three networks run in float32 whatever autocast says, because sines of large arguments amplify
rounding; of the encoder the first blocks alone follow it (`encoder`). Written without
device-specific operations and tested on the CPU; for parity on CUDA, turn TF32 convolutions off.
Where they were built, native kernels do most of a CPU's work: 3x3 convolutions (`layers`),
deformable ones (`deform`), and the three networks (`fused_sines`).
"""
