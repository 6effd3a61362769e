/** What a service that has just started says of itself. */
interface Greeted {
  readonly url: string
  readonly dataDir: string
  readonly tunnel: string | undefined
  readonly token: { readonly made: boolean; readonly token: string }
  /** Who gets alerts by mail; null while they are kept here. */
  readonly mailTo: string | null
  readonly emulated: boolean
  readonly withGoogle: boolean
  readonly real: RealTold | undefined
}

/** What was made ready for the run that really trains. */
interface RealTold {
  readonly run: string
  readonly base: string
  readonly pythons: { readonly kaggle: string; readonly colab: string; readonly local: string }
  readonly isThere: boolean
  readonly joins: boolean
}

/** Where a service is, and what of it is real; one line each, the last one empty. */
export function greeting(service: Greeted): string[] {
  const lines = [`Rodízio serves at ${service.url}  (data in ${service.dataDir})`]
  if (service.tunnel) lines.push(...fromOutside(service.tunnel))
  if (service.token.made) {
    lines.push(`  Admin token, shown this once: ${service.token.token}`)
    lines.push('  Commands on this machine read it from the data folder by themselves.')
  }
  lines.push(
    service.mailTo === null
      ? '  Alerts are kept here (rodizio alerts inbox); by mail once RODIZIO_SMTP_URL and RODIZIO_MAIL_TO are set.'
      : `  Alerts go to ${service.mailTo}; a trial: rodizio alerts test`,
  )
  if (service.emulated) {
    lines.push(
      '  Emulated: Kaggle, its accounts, quotas and GPUs (a local server that really runs what is pushed to it).',
      ...(service.withGoogle
        ? [
            '  Emulated too: Google, its Drive, its sign-in, Colab, and the person who opens its links.',
          ]
        : []),
      ...(service.real ? reallyTrains(service.real) : rehearses),
    )
  }
  return [...lines, '']
}

const rehearses = [
  '  Real: this service, its ledger, sessions, checkpoints and hand-overs, and the training of the engine "dry",',
  '        a small character model on the CPU. Its artifact is labelled "dry" and is no adapter.',
]

/** What is real of the run of `up --real`, and what is not. */
function reallyTrains({ run, base, pythons, isThere, joins }: RealTold): string[] {
  const versions =
    pythons.kaggle === pythons.colab
      ? [`        all sessions in ${pythons.local}.`]
      : [
          '        sessions at Kaggle on the library versions of its image, those at Colab on the versions of Colab.',
        ]
  return [
    '  Real: this service, its ledger, sessions, checkpoints and hand-overs, and the training of the engine "trl":',
    '        4-bit LoRA by transformers, peft, trl and bitsandbytes, whose adapter loads with peft alone;',
    ...versions,
    `  Not real: the model. It is of toy size, made on this machine (${base}), and answers nothing.`,
    '        No GPU is needed: without one everything is computed on the CPU, in a thread for each session.',
    isThere
      ? `  The run "${run}" is there already and nothing new is begun: npx rodizio train show ${run}`
      : `  The run "${run}" begins now${joins ? ', beside the runs that are there' : ''}: a rotation of some three minutes.`,
  ]
}

/** What a person has to know of an address that does not last. */
export const fromOutside = (address: string): string[] => [
  `  From outside: ${address}  (a quick tunnel; the API behind it wants its token)`,
  '  The address changes at each start. Sessions that began under the old one find no way back: they save nothing more, and',
  '  the run goes on from its last checkpoint once they are over. For lasting use take a named tunnel, or Caddy on a VM,',
  '  and set RODIZIO_PUBLIC_URL.',
]

/** What may be done after a sample run of the engine `dry` or `trl` is completed. */
export function whereNext({
  run,
  engine,
}: {
  readonly run?: unknown
  readonly engine?: unknown
}): string {
  const what =
    engine === 'trl'
      ? 'real 4-bit LoRA training that moved from Kaggle to Colab and back, checkpoint by checkpoint, and survived a kill.'
      : 'a run that moved from Kaggle to Colab and back, checkpoint by checkpoint, and survived a kill.'
  const show = `npx rodizio train show ${String(run)}`.padEnd(35)
  return `
  What you just saw: ${what}
  Look closer:     ${show}(sessions, checkpoints, loss)
                   npx rodizio budget                 (GPU hours, our book and the provider's)
  Your own data:   npx rodizio data import FILE.jsonl, then npx rodizio train start --data NAME
  Real accounts:   npx rodizio init
  The service goes on; Ctrl-C stops it.
`
}
