import { z } from 'zod'
import { machineZone } from '../lib/zone.ts'

/** A flag as people write it in environments: on/off, true/false, yes/no, 1/0. */
const flag = z
  .enum(['on', 'off', 'true', 'false', 'yes', 'no', '1', '0'])
  .transform((word) => word === 'on' || word === 'true' || word === 'yes' || word === '1')

const port = z.coerce
  .number({ error: 'not a number' })
  .int('not a whole number')
  .min(0, 'a port is 0 to 65535')
  .max(65_535, 'a port is 0 to 65535')
const webAddress = z.url({
  protocol: /^https?$/,
  hostname: /^.+$/,
  error: 'not an address such as https://rodizio.example',
})
/** Keys go there: in the clear only within this machine. */
const s3Address = webAddress
  .transform((text) => text.replace(/\/+$/, ''))
  .refine((text) => {
    const { protocol, hostname, username, password, search, hash } = new URL(text)
    const isHere = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname)
    return (protocol === 'https:' || isHere) && !username && !password && !search && !hash
  }, 'not an address such as https://s3.example.com: https, and nothing but host, port and path')
/** Words with commas between. */
const words = z.string().transform((text) =>
  text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== ''),
)

const zone = z.string().refine((name) => {
  try {
    return name === 'UTC' || Intl.DateTimeFormat(undefined, { timeZone: name }) !== undefined
  } catch {
    return false // RangeError: there is no such zone
  }
}, 'no time zone such as Europe/Lisbon')

/** One setting: how it is read, what it means, whether its value may be shown. */
export interface Setting {
  readonly schema: z.ZodType
  readonly about: string
  readonly secret?: true
}

const setting = <T extends z.ZodType>(schema: T, about: string) => ({ schema, about })
const secret = <T extends z.ZodType>(schema: T, about: string) => ({
  schema,
  about,
  secret: true as const,
})

/** Every setting there is, by the name under which the environment and the config file give it. */
export const settings = {
  RODIZIO_DATA_DIR: setting(
    z.string().min(1),
    'Folder of the database, the artifacts and the tokens',
  ),
  RODIZIO_HOST: setting(z.string().min(1).default('127.0.0.1'), 'Address the service listens on'),
  RODIZIO_PORT: setting(port.default(8787), 'Port the service listens on; 0 takes a free one'),
  RODIZIO_PUBLIC_URL: setting(
    webAddress.optional(),
    'Address under which notebooks elsewhere reach this service',
  ),
  RODIZIO_URL: setting(webAddress.optional(), 'Address of the service that the commands talk to'),
  RODIZIO_TOKEN: secret(
    z.string().min(1).optional(),
    'Token that the commands send to the service',
  ),
  RODIZIO_EMULATORS: setting(
    z.enum(['auto', 'on', 'off']).default('auto'),
    'Local stand-ins for outside services; auto starts them while no real account is known',
  ),
  RODIZIO_SAMPLE: setting(
    flag.default(true),
    'Whether a first start with emulators begins the sample run',
  ),
  RODIZIO_KAGGLE_URL: setting(
    webAddress.default('https://api.kaggle.com'),
    'Where the Kaggle API answers',
  ),
  RODIZIO_COLAB_URL: setting(
    webAddress.default('https://colab.research.google.com'),
    'Where notebooks of Drive are opened',
  ),
  RODIZIO_COLAB_CLI: setting(
    z.string().min(1).default('colab'),
    'Program of google-colab-cli, for the account that it drives: a path, or a name on the PATH',
  ),
  HTTPS_PROXY: secret(
    z.string().min(1).optional(),
    'Proxy through which google-colab-cli reaches Google; nothing else here uses it',
  ),
  NO_PROXY: setting(z.string().min(1).optional(), 'Hosts that it reaches without the proxy'),
  REQUESTS_CA_BUNDLE: setting(
    z.string().min(1).optional(),
    'File of the certificates that it trusts, where a proxy has its own',
  ),
  RODIZIO_STORE: setting(
    z.enum(['folder', 'drive'], { error: 'one of folder, drive' }).default('folder'),
    'Where checkpoints and artifacts live: a folder of this machine, or Google Drive',
  ),
  RODIZIO_DRIVE_URL: setting(
    webAddress.default('https://www.googleapis.com'),
    'Where the Google Drive API answers',
  ),
  RODIZIO_GOOGLE_TOKEN_URL: setting(
    webAddress.default('https://oauth2.googleapis.com/token'),
    "Where Google's sign-in answers, `device/code` beside it",
  ),
  RODIZIO_DRIVE_FOLDER: setting(
    z.string().min(1).default('Rodizio'),
    'Folder in Drive that holds everything of this service',
  ),
  RODIZIO_HUB_URL: setting(
    webAddress.default('https://huggingface.co').transform((url) => url.replace(/\/+$/, '')),
    'Where the hub of models answers, for bases that ask for an accepted licence',
  ),
  RODIZIO_HUB_TOKEN: secret(
    z.string().min(1).optional(),
    'Read token of the hub, taken by rodizio login hub and init, which store it encrypted',
  ),
  HF_TOKEN: secret(
    z.string().min(1).optional(),
    'The same, as the hub’s own tools name it; RODIZIO_HUB_TOKEN goes first',
  ),
  GOOGLE_APPLICATION_CREDENTIALS: setting(
    z.string().min(1).optional(),
    'File with the key of a service account, or of a person’s sign-in, by which pull --from drive: reads a folder',
  ),
  GOOGLE_API_KEY: secret(
    z.string().min(1).optional(),
    'Key by which pull --from drive: reads a folder that is shared with anyone who has its link',
  ),
  RODIZIO_SMTP_URL: secret(
    z.string().min(1).optional(),
    'Mail server that sends alerts, with its sign-in: smtps://user:password@host, or smtp:// with STARTTLS; without one they are kept in an inbox here',
  ),
  RODIZIO_SMTP_CA: setting(
    z.string().min(1).optional(),
    'File of certificates (PEM) that the mail server is believed by, besides the usual ones',
  ),
  RODIZIO_MAIL_TO: setting(words.default([]), 'Who gets alerts by mail, with commas between'),
  RODIZIO_MAIL_FROM: setting(
    z.string().min(1).optional(),
    'Sender of mail; the user of the mail server when left out',
  ),
  RODIZIO_LANGUAGE: setting(
    z.enum(['en', 'pt'], { error: 'one of en, pt' }).default('en'),
    'Language of alerts: English or Portuguese',
  ),
  RODIZIO_ZONE: setting(
    zone.default(machineZone),
    'Time zone of alerts, such as Europe/Lisbon; that of this machine when left out',
  ),
  RODIZIO_DIGEST: setting(
    z
      .string()
      .regex(/^(off|([01]?\d|2[0-3]):[0-5]\d)$/, 'neither off nor a time such as 08:00')
      .default('08:00'),
    'When the digest of a day is sent, in that zone; off sends none',
  ),
  RODIZIO_HEARTBEAT_URL: secret(
    webAddress.optional(),
    'Address that is asked every five minutes, of a service that raises the alarm when it is not',
  ),
  RODIZIO_ALLOW_PRIVATE: setting(
    words.default([]),
    'Private names, addresses and networks that nodes and webhooks may be at, with commas between: gpu.lan,192.168.1.20,10.0.0.0/24',
  ),
  RODIZIO_BACKUP_TO: setting(
    z
      .string()
      .regex(
        /^(folder|folder:\/.+|drive|s3:\/\/.+)$/,
        'one of folder, folder:/path, drive and s3://bucket/prefix',
      )
      .default('folder'),
    'Where backups go: the folder backups in the data folder, another folder, Google Drive, or a bucket of an S3 store',
  ),
  RODIZIO_BACKUP_AT: setting(
    z
      .string()
      .regex(/^(off|([01]?\d|2[0-3]):[0-5]\d)$/, 'neither off nor a time such as 03:30')
      .default('03:30'),
    'When a backup is made each day, in UTC and up to 15 minutes later; off makes none',
  ),
  RODIZIO_BACKUP_KEEP: setting(
    z
      .string()
      .regex(/^\d{1,3},\d{1,3}$/, 'two figures with a comma between, such as 7,4')
      .default('7,4')
      .transform((text) => {
        const [days = 7, weeks = 4] = text.split(',').map(Number)
        return { days, weeks }
      }),
    'Of how many days and weeks the newest backup is kept; the newest that was proven is kept always',
  ),
  RODIZIO_BACKUP_KEY_FILE: setting(
    z.string().min(1).optional(),
    'File of the passphrase that backups are encrypted with; without one no secret goes into them',
  ),
  RODIZIO_BACKUP_ADAPTERS: setting(
    flag.default(false),
    'Whether the backup of each day holds promoted adapters',
  ),
  RODIZIO_BACKUP_DRILL: setting(
    flag.default(true),
    'Whether the newest backup is restored into a scratch folder once a week, and looked through',
  ),
  RODIZIO_S3_ENDPOINT: setting(
    s3Address.optional(),
    'Where the S3 store of backups answers, without the bucket: https, or http of this machine',
  ),
  RODIZIO_S3_REGION: setting(
    z
      .string()
      .regex(/^[a-z0-9-]{1,40}$/, 'no region such as us-east-1 or auto')
      .default('us-east-1'),
    'Region that requests to it are signed for, as the store names it',
  ),
  RODIZIO_S3_ACCESS_KEY_ID: setting(
    z
      .string()
      .regex(/^[!-~]{1,200}$/, 'a word without blanks')
      .optional(),
    'Access key of the S3 store, by its id',
  ),
  RODIZIO_S3_SECRET_ACCESS_KEY: secret(
    z
      .string()
      .regex(/^[!-~]{1,500}$/, 'a word without blanks')
      .optional(),
    'Secret of that key',
  ),
  GOOGLE_CLIENT_FILE: setting(
    z.string().min(1).optional(),
    'Client of your own at Google (type: TVs and limited input devices): its JSON file from the Google Cloud console',
  ),
  GOOGLE_CLIENT_ID: setting(
    z.string().min(1).optional(),
    'The same client by its id, in place of the file',
  ),
  GOOGLE_CLIENT_SECRET: secret(z.string().min(1).optional(), 'Secret of that client'),
  RODIZIO_PERSON_SECONDS: setting(
    z.coerce
      .number({ error: 'not a number' })
      .min(1, 'at least 1')
      .default(12 * 3600),
    'How long a person is waited for who has to start a session from a link, in seconds',
  ),
  RODIZIO_TICK_SECONDS: setting(
    z.coerce
      .number({ error: 'not a number' })
      .min(0.1, 'at least 0.1')
      .max(300, 'at most 300')
      .default(5),
    'Pause between two looks at runs and sessions, in seconds',
  ),
  RODIZIO_CANARIES: setting(
    z
      .string()
      .default('https://www.gstatic.com/generate_204,https://www.cloudflare.com/cdn-cgi/trace')
      .transform((list) => list.split(',').map((one) => one.trim()))
      .pipe(z.array(webAddress).min(2, 'two addresses at least, with a comma between')),
    'Addresses that have nothing to do with any node: when none of them is reached, the own network is down',
  ),
  RODIZIO_SETTLE_SECONDS: setting(
    z.coerce
      .number({ error: 'not a number' })
      .min(0, 'at least 0')
      .max(86_400, 'at most 86400')
      .default(600),
    'How long a node stays up before that is told, in seconds; one that goes down again before goes on with the same incident',
  ),
  RODIZIO_LOG: setting(
    z.enum(['text', 'json', 'silent']).default('text'),
    'Log form on standard output: sentences for people or JSON lines for machines',
  ),
  RODIZIO_PYTHON: setting(
    z.string().min(1).default('python3'),
    'Python that runs notebooks on this machine',
  ),
  RODIZIO_TRL_PYTHON: setting(
    z.string().min(1).optional(),
    'Python with torch, transformers, peft, trl and bitsandbytes, for notebooks of the engine trl on this machine; those that npm run setup:notebooks makes when left out',
  ),
  KAGGLE_USERNAME: setting(
    z.string().min(1).optional(),
    'Kaggle user name, as its own tools read it',
  ),
  KAGGLE_KEY: secret(z.string().min(1).optional(), 'Kaggle API key that goes with the user name'),
  KAGGLE_API_TOKEN: secret(z.string().min(1).optional(), 'Kaggle API token (KGAT_…)'),
} satisfies Record<string, Setting>

export type SettingName = keyof typeof settings

/** The settings as the program uses them: parsed, with defaults, each with where it came from. */
export type Config = { readonly [K in SettingName]: z.output<(typeof settings)[K]['schema']> } & {
  readonly sources: Readonly<Record<SettingName, Source>>
  readonly file: string
}

/** Where a value came from; `client file` is the one that GOOGLE_CLIENT_FILE names, `credential` a file of systemd's. */
export type Source = 'environment' | 'credential' | 'file' | 'client file' | 'default' | 'unset'
