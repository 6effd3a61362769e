import type { Command } from 'commander'
import { systemClock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { type ColabDriver, type ProviderName, providerRules, rulesOf } from '../rotation/account.ts'
import { askToAccept } from './ask-to-accept.ts'
import type { Context } from './context.ts'
import { seconds } from './narrate.ts'
import { bar, table } from './table.ts'

const hours = (value: number): string => `${value.toFixed(value < 10 ? 2 : 1)} h`

interface AddFlags {
  provider: string
  driver?: string
  owner?: string
  weeklyHours?: string
  maxSessionHours?: string
  acceptRules?: boolean
}

function providerOf(name: string): ProviderName {
  if (name === 'kaggle' || name === 'colab' || name === 'local') return name
  throw new AppError('invalid', `--provider: there is no provider ${name}`, {
    next: 'One of: kaggle, colab, local',
  })
}

/** The account stands; that its program is slow to answer is for `accounts test` to say. */
function later(error: unknown): undefined {
  if (!(error instanceof AppError)) throw error
}

function driverOf(name: string | undefined): ColabDriver | undefined {
  if (name === undefined || name === 'link' || name === 'cli') return name
  throw new AppError('invalid', `--driver: there is no driver ${name}`, {
    next: 'One of: link (a person opens the notebook), cli (Google’s command line starts it)',
  })
}

/** `rodizio accounts …`, `budget` and `sessions`: who lends GPU time and what became of it. */
export function accountCommands(program: Command, context: Context): void {
  const accounts = program.command('accounts').description('the accounts that lend GPU time')

  accounts
    .command('add <name>')
    .description(
      "add an account, or renew a known one's credentials, taken from the variables that Kaggle's own tools use",
    )
    .requiredOption('--provider <provider>', 'kaggle, colab or local')
    .option('--driver <driver>', 'how sessions at Colab begin: link (a person opens it) or cli')
    .option('--owner <person>', 'the person who lends it; the name of the account when left out')
    .option('--weekly-hours <n>', 'GPU hours a week; the usual grant of the provider when left out')
    .option('--max-session-hours <n>', 'longest session')
    .option('--accept-rules', "accept the provider's rules of use, which this command prints")
    .addHelpText(
      'after',
      '\nExamples:\n  KAGGLE_USERNAME=maria KAGGLE_KEY=… rodizio accounts add maria --provider kaggle --accept-rules\n  rodizio accounts add here --provider local --accept-rules\n  rodizio accounts add rui --provider colab --driver cli    # Google’s own command line; prints its rules and asks',
    )
    .action(async (name: string, flags: AddFlags) => {
      const provider = providerOf(flags.provider)
      const config = context.config()
      const driver = driverOf(flags.driver)
      context.say(providerRules[rulesOf(provider, driver)])
      const secrets =
        provider !== 'kaggle'
          ? {}
          : {
              ...(config.KAGGLE_USERNAME === undefined ? {} : { username: config.KAGGLE_USERNAME }),
              ...(config.KAGGLE_API_TOKEN === undefined
                ? config.KAGGLE_KEY === undefined
                  ? {}
                  : { key: config.KAGGLE_KEY }
                : { token: config.KAGGLE_API_TOKEN }),
            }
      const wanted = {
        name,
        owner: flags.owner ?? name,
        provider,
        ...(driver === undefined ? {} : { driver }),
        acceptRules: flags.acceptRules ?? false,
        ...(flags.weeklyHours === undefined ? {} : { weeklyHours: Number(flags.weeklyHours) }),
        ...(flags.maxSessionHours === undefined
          ? {}
          : { maxSessionHours: Number(flags.maxSessionHours) }),
        ...secrets,
      }
      const client = context.client()
      const account = await client.addAccount(wanted).catch(async (error: unknown) => {
        const asked = error instanceof AppError && error.code === 'rules_not_accepted'
        if (!asked || !(await askToAccept(context))) throw error
        return client.addAccount({ ...wanted, acceptRules: true })
      })
      // The command line signs in by itself, by hand, where the service runs: said at once, and how.
      const proof =
        account.driver === 'cli' ? await client.testAccount(account.name).catch(later) : undefined
      context.answer(account, () => {
        const proved = proof ? `\n  ${proof.message}${proof.next ? `\n  ${proof.next}` : ''}` : ''
        const note = account.emulated
          ? '\n  The emulators are on: it is used against the emulated Kaggle. RODIZIO_EMULATORS=off switches to the real one.'
          : ''
        return `Account ${account.name} (${account.provider}, ${account.username}): ${hours(account.weeklyHours)} a week.${note}${proved}\n  Try it: rodizio accounts test ${account.name}`
      })
    })

  accounts
    .command('list')
    .description('all accounts')
    .addHelpText('after', '\nExample:\n  rodizio accounts list --json')
    .action(async () => {
      const all = await context.client().accounts()
      context.answer({ items: all, next: null }, () =>
        all.length === 0
          ? 'No accounts yet. rodizio init leads through adding one.'
          : table(
              ['ACCOUNT', 'PROVIDER', 'OWNER', 'WEEKLY', 'LONGEST SESSION', 'NOTE'],
              all.map((a) => [
                a.name,
                `${a.provider}${a.driver === 'cli' ? ' (cli)' : ''}${a.emulated ? ' (emulated)' : ''}`,
                a.owner,
                hours(a.weeklyHours),
                hours(a.maxSessionHours),
                a.holdUntil && new Date(a.holdUntil) > systemClock.now()
                  ? `on hold until ${a.holdUntil}: ${a.holdReason}`
                  : '',
              ]),
            ),
      )
    })

  accounts
    .command('test <name>')
    .description("prove an account's credentials by a live call")
    .addHelpText('after', '\nExample:\n  rodizio accounts test ana')
    .action(async (name: string) => {
      const result = await context.client().testAccount(name)
      context.answer(
        result,
        () =>
          `${result.ok ? 'ok' : 'failed'}: ${result.message}${result.emulated ? ' (emulated)' : ''}${result.next ? `\n  ${result.next}` : ''}`,
      )
      if (!result.ok) process.exitCode = 1
    })

  program
    .command('budget')
    .description('GPU hours of this week: used, reserved, left; our book beside the provider’s')
    .addHelpText('after', '\nExample:\n  rodizio budget --json')
    .action(async () => {
      const budgets = await context.client().budget()
      context.answer({ items: budgets, next: null }, () =>
        table(
          [
            'ACCOUNT',
            'PROVIDER',
            'USED',
            'RESERVED',
            'LEFT',
            'OF',
            '',
            'RESETS',
            "PROVIDER'S BOOK",
          ],
          budgets.map((b) => [
            b.account,
            `${b.provider}${b.emulated ? ' (emulated)' : ''}`,
            hours(b.usedHours),
            hours(b.reservedHours),
            hours(b.leftHours),
            hours(b.plannableHours),
            bar(b.plannableHours - b.leftHours, b.plannableHours, 12),
            b.resetsAt.slice(0, 16).replace('T', ' '),
            b.providerReading
              ? `${hours(b.providerReading.usedHours)} used, ${hours(b.providerReading.reservedHours)} reserved of ${hours(b.providerReading.allowedHours)}`
              : 'none',
          ]),
        ),
      )
    })

  program
    .command('sessions')
    .description('sessions of all runs, newest first')
    .option('--open', 'only those that have not ended')
    .addHelpText('after', '\nExample:\n  rodizio sessions --open')
    .action(async (flags: { open?: boolean }) => {
      const sessions = await context.client().sessions(flags.open === true)
      context.answer({ items: sessions, next: null }, () =>
        sessions.length === 0
          ? 'No sessions.'
          : table(
              ['RUN', 'SESSION', 'ACCOUNT', 'STATE', 'STEPS', 'USED', 'WHY'],
              sessions.map((s) => [
                s.runId,
                String(s.generation),
                `${s.account} (${s.provider}${s.emulated ? ', emulated' : ''})`,
                s.outcome ?? s.state,
                `${s.fromStep} → ${s.toStep}`,
                s.usedSeconds === null ? '' : seconds(s.usedSeconds),
                s.link ? `open ${s.link} and press Run all` : (s.reason ?? ''),
              ]),
            ),
      )
    })
}
