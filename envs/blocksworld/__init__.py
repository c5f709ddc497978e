"""Plans that rearrange stacks of blocks."""
