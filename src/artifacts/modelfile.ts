import { AppError } from '../lib/errors.ts'

/** A chat format as Ollama is told it: what an adapter was trained with, in Go's template language. */
export interface OllamaFormat {
  readonly name: string
  readonly template: string
  /** The token that ends a turn. */
  readonly stop: string
  /** Whether Ollama reads an adapter of these models as safetensors; of others it takes GGUF alone. */
  readonly takesSafetensors: boolean
}

/** Turns that open and close alike, whoever speaks; `assistant` is the model's own name in them. */
const turns = (opening: (role: string) => string, end: string, between: string): string =>
  `{{- range .Messages -}}${opening('{{ .Role }}')}{{ .Content }}${end}${between}{{- end -}}${opening('assistant')}`

/**
 * The formats of `templates/engines/trl/program/chat_templates.py`, as far as a prompt goes. The token at the beginning is left to the
 * model's own tokenizer. Which models' adapters are read as safetensors: `ConvertAdapter` in Ollama's convert/convert.go, read 2026-11.
 */
const formats: readonly (OllamaFormat & { readonly mark: string })[] = [
  {
    name: 'Mistral',
    mark: '[INST]',
    stop: '</s>',
    takesSafetensors: true,
    template:
      '{{- $system := .System -}}{{- range .Messages -}}{{- if eq .Role "user" -}}' +
      '[INST] {{ if $system }}{{ $system }}{{ "\\n\\n" }}{{ end }}{{ .Content }}[/INST]{{- $system = "" -}}' +
      '{{- else if eq .Role "assistant" -}}{{ " " }}{{ .Content }}</s>{{- end -}}{{- end -}}',
  },
  {
    name: 'Llama 3',
    mark: '<|start_header_id|>',
    stop: '<|eot_id|>',
    takesSafetensors: true,
    template: turns(
      (role) => `<|start_header_id|>${role}<|end_header_id|>{{ "\\n\\n" }}`,
      '<|eot_id|>',
      '',
    ),
  },
  {
    name: 'Gemma',
    mark: '<start_of_turn>',
    stop: '<end_of_turn>',
    takesSafetensors: false,
    template:
      '{{- $system := .System -}}{{- range .Messages -}}{{- if eq .Role "user" -}}' +
      '<start_of_turn>user{{ "\\n" }}{{ if $system }}{{ $system }}{{ "\\n\\n" }}{{ end }}{{ .Content }}<end_of_turn>{{ "\\n" }}{{- $system = "" -}}' +
      '{{- else if eq .Role "assistant" -}}<start_of_turn>model{{ "\\n" }}{{ .Content }}<end_of_turn>{{ "\\n" }}{{- end -}}{{- end -}}' +
      '<start_of_turn>model{{ "\\n" }}',
  },
  {
    name: 'ChatML',
    mark: '<|im_start|>',
    stop: '<|im_end|>',
    takesSafetensors: false,
    template: turns((role) => `<|im_start|>${role}{{ "\\n" }}`, '<|im_end|>', '{{ "\\n" }}'),
  },
  {
    name: 'Phi-3',
    mark: '<|end|>',
    stop: '<|end|>',
    takesSafetensors: false,
    template: turns((role) => `<|${role}|>{{ "\\n" }}`, '<|end|>', '{{ "\\n" }}'),
  },
]

/** The format that a tokenizer's own chat template speaks; undefined for one that is none of ours. */
export const ollamaFormatOf = (chatTemplate: string): OllamaFormat | undefined =>
  formats.find(({ mark }) => chatTemplate.includes(mark))

/** Under what name Ollama's library has a model of the catalogue (ollama.com/library, read 2026-11), by how it is called here. */
const inLibrary: Readonly<Record<string, string>> = {
  'Mistral 7B Instruct v0.3': 'mistral:7b-instruct',
  'Llama 3.1 8B Instruct': 'llama3.1:8b',
  'Qwen2.5 7B Instruct': 'qwen2.5:7b',
}

/**
 * What Ollama is to build upon: what a person names, or the library's own model.
 * @param model the one of the catalogue that the base is a copy of; null for a base that it does not have
 * @returns null where neither is known
 * @throws AppError `invalid` (`ollama_from_invalid`)
 */
export function ollamaBase(model: string | null, given: string | null): string | null {
  if (given === null) return inLibrary[model ?? ''] ?? null
  if (/^[^\s"\p{C}]+$/u.test(given)) return given
  throw new AppError(
    'invalid',
    `${shown(given)} is no name of a model, and no path without spaces`,
    {
      code: 'ollama_from_invalid',
      next: 'For example: --ollama-from mistral:7b-instruct',
    },
  )
}

export interface ModelfileOf {
  readonly version: string
  /** As the adapter's plan names it. */
  readonly base: string
  /** A name of Ollama's, or a path to a GGUF file. */
  readonly from: string
  /** Its path, from the root. */
  readonly adapter: string
  /** Null where the tokenizer tells none: the model that it is built upon keeps its own. */
  readonly format: OllamaFormat | null
}

/**
 * What `ollama create NAME -f Modelfile` reads: the base, the adapter, and the chat format that the adapter was trained with.
 * @throws AppError `invalid` (`path_refused`) for a path that a Modelfile cannot hold
 */
export function modelfile({ version, base, from, adapter, format }: ModelfileOf): string {
  if (/["\p{C}]/u.test(adapter)) {
    throw new AppError('invalid', `no Modelfile can name the path ${shown(adapter)}`, {
      code: 'path_refused',
      next: 'Pull into a folder without quotation marks in its path',
    })
  }
  const chat = format ? `TEMPLATE """${format.template}"""\nPARAMETER stop "${format.stop}"\n` : ''
  return `# Adapter ${version}, trained on ${shown(base)}.\nFROM ${from}\nADAPTER "${adapter}"\n${chat}`
}

/** What a stranger may have written, on one line. */
const shown = (text: string): string => text.replaceAll(/[\p{C}\s]+/gu, ' ').slice(0, 120)
