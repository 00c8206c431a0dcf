"""InsTag (arXiv 2308.07074): steps that name the intentions of instructions and measure the set by them."""
