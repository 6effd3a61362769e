import { join } from 'node:path'
import type { Command } from 'commander'
import { AppError } from '../lib/errors.ts'
import type { Context } from './context.ts'

/** `rodizio emulators`: the outside services as local servers, for trying and testing. */
export function emulatorsCommand(program: Command, context: Context): void {
  program
    .command('emulators')
    .description(
      'serve the emulated outside services (Kaggle, Google Drive, Colab) until a signal; official clients work against them',
    )
    .option('--json', 'print one line of JSON with their addresses')
    .option('--state <folder>', 'where they keep their state; inside the data folder when left out')
    .option('--port <n>', 'port of the emulated Kaggle; a free one when left out')
    .option('--claim-seconds <n>', 'end when nobody has claimed them for so long')
    .option(
      '--approve-after <seconds>',
      'an emulated person approves a sign-in at Google after so long; default 2',
    )
    .option('--weekly-hours <n>', 'GPU hours that the emulated Kaggle grants a week')
    .option(
      '--hub-models <folder>',
      'serve a Hugging Face hub too, with the models that stand there as OWNER/NAME, each behind a licence; any token hf_… is let in',
    )
    .option(
      '--smtp-port <n>',
      'take mail too, at this port (0: a free one), and show it in an inbox; it is sent on to nobody',
    )
    .option(
      '--tunnels-port <n>',
      'serve the edges of ngrok and cloudflared too, at this port (0: a free one); endpoints are opened by orders, or by the emulated cloudflared that machines have then',
    )
    .option(
      '--target-port <n>',
      'serve a flaky target of looks too, at this port (0: a free one); its trouble is ordered',
    )
    .option('--latency-ms <n>', 'added to every answer')
    .option('--bytes-per-second <n>', 'speed of each connection')
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio emulators --json\n  rodizio emulators --smtp-port 2525   then RODIZIO_SMTP_URL=smtp://127.0.0.1:2525\n  RODIZIO_KAGGLE_URL=http://127.0.0.1:PORT RODIZIO_EMULATORS=off rodizio up',
    )
    .action(async (flags: Record<string, string | boolean | undefined>) => {
      const config = context.config()
      const numeric = (name: string): number | undefined => {
        const given = flags[name]
        if (given === undefined) return undefined
        const value = given === '' ? Number.NaN : Number(given)
        if (Number.isFinite(value) && value >= 0) return value
        const option = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
        throw new AppError('invalid', `--${option} is a number from 0 on, not ${given}`, {
          code: 'option_invalid',
          next: 'See rodizio emulators --help',
        })
      }
      const set = {
        port: numeric('port'),
        weeklyHours: numeric('weeklyHours'),
        latencyMs: numeric('latencyMs'),
        bytesPerSecond: numeric('bytesPerSecond'),
      }
      const kaggle = Object.fromEntries(Object.entries(set).filter(([, v]) => v !== undefined))
      const smtpPort = numeric('smtpPort')
      const tunnelsPort = numeric('tunnelsPort')
      const targetPort = numeric('targetPort')
      const claimSeconds = numeric('claimSeconds')
      const { runEmulators } = await import('../app.ts')
      await runEmulators(
        {
          stateDir:
            typeof flags.state === 'string'
              ? flags.state
              : join(config.RODIZIO_DATA_DIR, 'emulators'),
          json: flags.json === true,
          write: (line) => void process.stdout.write(line),
          pythonPath: config.RODIZIO_PYTHON,
          kaggle,
          ...(typeof flags.hubModels === 'string' ? { hubModels: flags.hubModels } : {}),
          ...(smtpPort === undefined ? {} : { mail: { smtpPort } }),
          ...(tunnelsPort === undefined ? {} : { tunnels: { port: tunnelsPort } }),
          ...(targetPort === undefined ? {} : { flaky: { targetPort } }),
          google: { approveAfterSeconds: numeric('approveAfter') ?? 2 },
          ...(claimSeconds === undefined ? {} : { claimSeconds }),
        },
        config,
        context.root,
      )
    })
}
