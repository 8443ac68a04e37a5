"""The packaged network: VideoINR's idea, arranged so that a CPU can afford it.

As in the paper (sections 3.1 to 3.3) two frames are encoded once, a space INR gives a feature at
any (x, y), a time INR gives the motion to any t, and a decoder turns what the motion fetches into
a colour. What differs is where the work is done:

* The **space INR** is linear in a small cosine basis of the relative coordinate inside an LR cell
  (as in a DCT). Its heavy part runs once per LR pixel and its value at any (x, y) is a sum of
  cosines: a continuous *canvas* per frame, of which three channels are RGB.
* The **motion** of a pair is found coarse to fine, with cost volumes between both frames warped
  to their middle.
* The **time INR** runs per LR pixel: (feature, t) to two flows, blending weights and features.
* The **decoder** runs per output pixel on both warped canvases. It chooses between the first
  frame's colour, the second's, and what stands still, and adds what is missing.

Flows are in LR pixels, positive right and down. All tensors are float32 unless autocast says else.

Each part has a file, and `network` puts them together. `fused` does a CPU's work in native kernels,
`triton_render` a GPU's in a Triton kernel; what is written in PyTorch stays the reference for both.
"""
