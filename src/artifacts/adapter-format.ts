/** What a box can want an adapter as: as it was trained, for Ollama, or for llama.cpp and what is built upon it. */
export const adapterFormats = ['peft', 'ollama', 'gguf'] as const
export type AdapterFormat = (typeof adapterFormats)[number]

/** Those that are made of the first on the box, each a folder within the version. */
export const otherFormats = ['ollama', 'gguf'] as const satisfies readonly AdapterFormat[]
