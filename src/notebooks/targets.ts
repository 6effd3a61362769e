const usual = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] as const

/** The linear layers that an adapter is trained on, by the architecture of the base; Phi-3's are fused. */
export const targetsOf = {
  mistral: usual,
  llama: usual,
  qwen2: usual,
  gemma: usual,
  phi3: ['qkv_proj', 'o_proj', 'gate_up_proj', 'down_proj'],
} as const satisfies Readonly<Record<string, readonly string[]>>

/** An architecture that the engines `trl` and `unsloth` have a chat template for. */
export type Architecture = keyof typeof targetsOf

/** Their usual names, for a person who has to give them. */
export const usualTargets = `${usual.join(',')} (Phi-3: ${targetsOf.phi3.join(',')})`
