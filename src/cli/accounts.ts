import type { Command } from 'commander'
import { AppError } from '../lib/errors.ts'
import { type ColabDriver, type ProviderName, providerRules, rulesOf } from '../rotation/account.ts'
import { acceptCommand } from './accounts-accept.ts'
import { askToAccept } from './ask-to-accept.ts'
import type { Context } from './context.ts'
import { describeAccount, describeAccounts, hours } from './describe-account.ts'
import { describeAccountRemoval } from './describe-removal.ts'

interface AddFlags {
  provider: string
  driver?: string
  owner?: string
  weeklyHours?: string
  maxSessionHours?: string
  zone?: string
  waking?: string
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

/** `8-23` and the like. @throws AppError `invalid` that names the flag */
function wakingOf(text: string | undefined): { from: number; to: number } | undefined {
  if (text === undefined) return undefined
  const [, from, to] = /^(\d{1,2})-(\d{1,2})$/.exec(text.trim()) ?? []
  if (from !== undefined && to !== undefined) return { from: Number(from), to: Number(to) }
  throw new AppError('invalid', `--waking: ${JSON.stringify(text)} are no hours`, {
    next: 'Write the hours of the day between which you may be asked, such as 8-23',
  })
}

/** `rodizio accounts …`: who lends GPU time. */
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
    .option(
      '--zone <zone>',
      "the owner's time zone, such as Europe/Lisbon; this machine's when left out",
    )
    .option(
      '--waking <hours>',
      'between which hours of their day a session may ask the owner to open a link, default 8-23',
    )
    .option('--accept-rules', "accept the provider's rules of use, which this command prints")
    .addHelpText(
      'after',
      '\nExamples:\n  KAGGLE_USERNAME=maria KAGGLE_KEY=… rodizio accounts add maria --provider kaggle --accept-rules\n  rodizio accounts add here --provider local --accept-rules\n  rodizio accounts add rui --provider colab --owner Rui --zone Europe/Lisbon --waking 8-23 --accept-rules\n  rodizio accounts add rui --provider colab --driver cli    # Google’s own command line; prints its rules and asks',
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
      const waking = wakingOf(flags.waking)
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
        ...(flags.zone === undefined ? {} : { zone: flags.zone }),
        ...(waking === undefined ? {} : { waking }),
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

  acceptCommand(accounts, context)

  accounts
    .command('list')
    .description('all accounts')
    .option('--all', 'those that were removed as well')
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio accounts list\n  rodizio accounts list --all --json',
    )
    .action(async (flags: { all?: boolean }) => {
      const items = await context.client().accounts(flags.all === true)
      context.answer({ items, next: null }, () => describeAccounts(items))
    })

  accounts
    .command('show <name>')
    .description('one account: its owner, its limits, its week and its newest sessions')
    .addHelpText('after', '\nExample:\n  rodizio accounts show ana')
    .action(async (name: string) => {
      const account = await context.client().account(name)
      context.answer(account, () => describeAccount(account))
    })

  accounts
    .command('rm <name>')
    .description('take an account out of the rotation and delete its credentials')
    .option('--dry-run', 'say what would go, and remove nothing')
    .addHelpText(
      'after',
      '\nIts sessions and hours stay readable under its name; the same owner may add it again. Not while it has a live session.\n\nExamples:\n  rodizio accounts rm ana --dry-run\n  rodizio accounts rm ana',
    )
    .action(async (name: string, flags: { dryRun?: boolean }) => {
      const removal = await context.client().removeAccount(name, flags.dryRun === true)
      context.answer(removal, () => describeAccountRemoval(removal))
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
}
