/**
 * Where a repository keeps the README.md that the training has left: its own place is the card's. The manifest names it by its old
 * name all the same, so that whoever fetches a version gets it back, byte for byte.
 */
export const keptReadme = '.rodizio/README.md'
