import { z } from 'zod'
import { Engine } from '../notebooks/plan.ts'

export const Time = z.iso.datetime()
export const Name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$/, '1 to 40 of A–Z, a–z, 0–9, dot, underscore, hyphen')

export const page = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), next: z.string().nullable() })

export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  code: z.string(),
  detail: z.string(),
  next: z.string().optional(),
})
export type Problem = z.infer<typeof Problem>

export const Health = z.object({
  status: z.literal('ok'),
  version: z.string(),
  features: z.array(z.string()),
  nodesUp: z.number(),
  emulated: z.array(z.string()).describe('outside services that are local stand-ins here'),
})
export type Health = z.infer<typeof Health>

const SplitPart = z.object({ rows: z.number(), bytes: z.number(), sha256: z.string() })
export const Dataset = z.object({
  name: z.string(),
  version: z.string(),
  importedAt: Time,
  rejected: z.number().describe('lines set aside in that import'),
  train: SplitPart,
  validation: SplitPart,
})
export type Dataset = z.infer<typeof Dataset>

export const ImportQuery = z.object({
  name: Name,
  strict: z
    .enum(['true', 'false'])
    .default('false')
    .describe('import nothing when one line is bad'),
})
export const ImportResult = z.object({
  dataset: Dataset,
  rejects: z
    .array(z.object({ line: z.number(), reason: z.string() }))
    .describe('the first twenty bad lines'),
  rejectsPath: z.string().nullable().describe('file on the machine of the service'),
})
export type ImportResult = z.infer<typeof ImportResult>

/** What is asked of a call that removes something. */
export const RemovalQuery = z.object({
  dryRun: z
    .enum(['true', 'false'])
    .default('false')
    .describe('tell what would go, and remove nothing'),
})

export const RemovalState = z
  .enum(['kept', 'removed', 'removing'])
  .describe('`kept` after a dry run; `removing` goes on by itself, also after a restart')

export const DatasetRemoval = z.object({
  names: z.array(z.string()).describe('names that go'),
  versions: z.array(
    z.object({
      version: z.string(),
      rows: z.number(),
      bytes: z.number(),
      keptAs: z.array(z.string()).describe('names that stay, and the files with them'),
    }),
  ),
  state: RemovalState,
  why: z.string().nullable().describe('what holds the removal up'),
})
export type DatasetRemoval = z.infer<typeof DatasetRemoval>
export const Priority = z
  .number()
  .int()
  .min(-100)
  .max(100)
  .describe('greater is sooner; runs of one priority share')

export const NewRun = z.strictObject({
  name: Name.optional(),
  dataset: z.string().describe('name or version of a data set'),
  engine: Engine.default('dry'),
  steps: z
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe('as many as epochs take when left out'),
  epochs: z
    .number()
    .positive()
    .max(1000)
    .optional()
    .describe('passes over the data, 1 when left out'),
  smoke: z
    .boolean()
    .default(false)
    .describe(
      'five real steps in two short sessions, to try the whole way; decides steps and sessions itself',
    ),
  seed: z.number().int().min(0).max(2_147_483_647).default(7),
  priority: Priority.default(0),
  fromAdapter: z
    .string()
    .optional()
    .describe('name or id of a completed run whose adapter the training begins with'),
  plan: z
    .record(z.string(), z.unknown())
    .default({})
    .describe('plan fields other than the default'),
  options: z
    .strictObject({
      saveSeconds: z.number().positive(),
      saveSteps: z.number().int().min(1),
      logSteps: z.number().int().min(1),
      stepSeconds: z.number().min(0),
      keepLocal: z.number().int().min(1),
      heartbeatSeconds: z.number().min(0.2).max(600),
      sessionSeconds: z.number().min(5).nullable(),
      minSessionSeconds: z.number().min(1),
    })
    .partial()
    .default({}),
  dryRun: z.boolean().default(false),
})
export type NewRun = z.input<typeof NewRun>

export const RunChange = z.strictObject({ priority: Priority })
export type RunChange = z.infer<typeof RunChange>

export const Session = z.object({
  id: z.string(),
  runId: z.string(),
  run: z.string().describe('name of the run or the serving policy'),
  generation: z.number(),
  account: z.string(),
  provider: z.string(),
  emulated: z.boolean().describe('on a local stand-in for the provider'),
  state: z.string(),
  outcome: z.string().nullable(),
  reason: z.string().nullable(),
  link: z.string().nullable().describe('what a person opens, while the session waits for one'),
  sealed: z
    .boolean()
    .describe(
      'whether it takes no orders: its work order went with it, its log is all that is heard',
    ),
  serves: z.boolean().describe('it serves a model: `run` is its policy'),
  fromStep: z.number(),
  toStep: z.number(),
  lastCheckpointStep: z.number().nullable(),
  plannedSeconds: z.number(),
  usedSeconds: z.number().nullable(),
  node: z
    .object({
      readyAt: Time.describe('since when it has answered without a break'),
      url: z
        .string()
        .nullable()
        .describe('where it is reached; null where its own machine alone reaches it'),
      reach: z
        .enum(['url', 'relay', 'local'])
        .describe('by that address, through this service, or on its own machine'),
      adapter: z.string().describe('SHA-256 of the manifest of the adapter that answers'),
      tunnel: z
        .enum(['up', 'down'])
        .nullable()
        .describe('what the program of its tunnel says; null where none is used'),
    })
    .nullable()
    .describe('the model that it has put up; null for a training, and while nothing answers'),
  badBeatAt: Time.nullable().describe(
    'when a heartbeat last said that its server does not answer or its tunnel is down',
  ),
  startedAt: Time.nullable(),
  heardAt: Time.nullable(),
  deadlineAt: Time.nullable(),
  endedAt: Time.nullable(),
})
export type Session = z.infer<typeof Session>

export const Checkpoint = z.object({
  step: z.number(),
  generation: z.number(),
  state: z.enum(['committed', 'pruned', 'damaged']),
  bytes: z.number(),
  sha256: z.string().describe('of the manifest, which names every file by its own hash'),
  metrics: z.record(z.string(), z.unknown()),
  committedAt: Time,
})

export const Artifact = z.object({
  label: z.string().describe('`dry` is never an adapter'),
  step: z.number(),
  generation: z.number(),
  bytes: z.number(),
  sha256: z.string(),
  metrics: z.record(z.string(), z.unknown()),
  path: z.string(),
  committedAt: Time,
})

export const RunSummary = z.object({
  id: z.string(),
  name: z.string(),
  engine: z.string(),
  state: z.enum(['queued', 'training', 'stopping', 'stopped', 'completed', 'failed']),
  step: z.number(),
  targetSteps: z.number(),
  priority: z.number(),
  sessions: z.number(),
  waiting: z.string().nullable(),
  failure: z.string().nullable(),
  datasetVersion: z.string(),
  createdAt: Time,
  endedAt: Time.nullable(),
})
export type RunSummary = z.infer<typeof RunSummary>

const Figure = z.object({
  low: z.number().nullable(),
  likely: z.number().nullable().describe('null where nothing can be said'),
  high: z.number().nullable(),
  unit: z.string(),
  text: z.string(),
  source: z.string().describe('what the figure rests on'),
})

export const StartedRun = RunSummary.extend({
  predictions: z
    .object({ uses: z.string(), memory: Figure, speed: Figure, hours: Figure, sessions: Figure })
    .nullable()
    .describe('null for a run begun by an earlier program'),
  warnings: z
    .array(z.string())
    .describe('what speaks against it; rows are looked at in a dry run alone'),
})
export type StartedRun = z.infer<typeof StartedRun>

export const Finish = z.object({ likely: Time, earliest: Time, latest: Time })
export type Finish = z.infer<typeof Finish>

export const Run = RunSummary.omit({ sessions: true }).extend({
  plan: z.record(z.string(), z.unknown()),
  options: z.record(z.string(), z.unknown()),
  loss: z
    .object({ first: z.number(), last: z.number(), best: z.number() })
    .nullable()
    .describe('training loss: mean of the first ten steps, of the last ten, and the lowest'),
  losses: z
    .array(z.object({ step: z.number(), generation: z.number(), loss: z.number() }))
    .describe('at most 200 points over the whole run, of the newest generation for each step'),
  finish: Finish.nullable().describe(
    'when it will be done, by the plan as it stands; null where nothing of it is planned',
  ),
  standing: z
    .object({ name: z.string(), number: z.number() })
    .nullable()
    .describe('the standing run that has opened it, and the how many-th of it this one is'),
  sessions: z.array(Session),
  checkpoints: z.array(Checkpoint),
  artifact: Artifact.nullable(),
})
export type Run = z.infer<typeof Run>

export const RunEvent = z.object({
  id: z.number(),
  at: Time,
  kind: z.string(),
  runId: z.string().nullable(),
  sessionId: z.string().nullable(),
  data: z.record(z.string(), z.unknown()),
})
export type RunEvent = z.infer<typeof RunEvent>

export const StopAnswer = z.object({
  run: z.string(),
  state: z.string(),
  message: z.string().describe('what will really happen, and when'),
})
export type StopAnswer = z.infer<typeof StopAnswer>

export const RunRemoval = z.object({
  run: z.string(),
  id: z.string(),
  sessions: z.number(),
  checkpoints: z.object({ count: z.number(), bytes: z.number() }),
  artifact: z.object({ label: z.string(), bytes: z.number() }).nullable(),
  events: z.number(),
  ledgerRows: z.number().describe('rows of the GPU-hour book; they stay'),
  state: RemovalState,
  why: z.string().nullable().describe('what holds the removal up'),
})
export type RunRemoval = z.infer<typeof RunRemoval>

export const LeftOvers = z.object({
  items: z.array(
    z.object({
      folder: z.string().describe('within the artifact store'),
      why: z.string(),
      files: z.number(),
      bytes: z.number(),
    }),
  ),
  files: z.number(),
  bytes: z.number(),
  removed: z.boolean(),
  why: z.string().nullable().describe('what kept some of it from going'),
})
export type LeftOvers = z.infer<typeof LeftOvers>

export const NewAccount = z.strictObject({
  name: Name,
  owner: z.string().min(1).max(80),
  provider: z.enum(['kaggle', 'colab', 'local']),
  driver: z
    .enum(['link', 'cli'])
    .optional()
    .describe(
      'how sessions at Colab begin: a person opens a link (`link`, the default), or Google’s command line',
    ),
  weeklyHours: z.number().positive().max(168).optional(),
  maxSessionHours: z.number().positive().max(24).optional(),
  username: z.string().min(1).max(80).optional(),
  key: z.string().min(1).max(500).optional(),
  token: z.string().min(1).max(500).optional(),
  acceptRules: z.boolean().default(false),
  zone: z.string().min(1).max(60).optional().describe('IANA time zone of the owner'),
  waking: z
    .strictObject({ from: z.number().int(), to: z.number().int() })
    .optional()
    .describe(
      'hours of the owner’s day in which a session may ask for them; 22 to 6 goes over midnight',
    ),
})
export type NewAccount = z.input<typeof NewAccount>

export const Account = z.object({
  name: z.string(),
  owner: z.string(),
  provider: z.string(),
  username: z.string(),
  automation: z.enum(['api', 'person']),
  driver: z.enum(['link', 'cli']).nullable().describe('how sessions at Colab begin'),
  emulated: z.boolean(),
  weeklyHours: z.number(),
  maxSessionHours: z.number(),
  maxConcurrent: z.number(),
  holdUntil: Time.nullable(),
  holdReason: z.string().nullable(),
  zone: z.string().describe('of the owner; that of the service’s machine where nothing was said'),
  wakingFrom: z.number().describe('hour of the owner’s day'),
  wakingTo: z.number(),
  rulesAcceptedAt: Time.nullable().describe('when the rules of its provider were accepted'),
  serves: z.boolean().describe('whether sessions that serve a model may be started on it'),
  servingAcceptedAt: Time.nullable().describe(
    'when its provider’s rule of serving was accepted for it; null too of a machine of one’s own, which has none',
  ),
  servingAcceptedBy: z.string().nullable(),
  removedAt: Time.nullable(),
})
export type Account = z.infer<typeof Account>

export const AccountsQuery = z.object({
  all: z.enum(['true', 'false']).default('false').describe('those removed as well'),
})

export const AccountRemoval = z.object({
  account: z.string(),
  owner: z.string(),
  provider: z.string(),
  credentials: z.boolean().describe('whether stored credentials go with it'),
  sessions: z.number().describe('they stay readable, as the hours do'),
  state: z.enum(['kept', 'removed']).describe('`kept` after a dry run'),
})
export type AccountRemoval = z.infer<typeof AccountRemoval>

export const NewAdjustment = z.strictObject({
  hours: z.number().describe('negative for what was used beside Rodízio, positive to give back'),
  note: z.string().min(1).max(200).optional(),
})
export type NewAdjustment = z.input<typeof NewAdjustment>

export const NewAbsence = z.strictObject({
  owner: z.string().min(1).max(80),
  from: z
    .string()
    .min(1)
    .max(40)
    .describe('such as 2026-12-24 or 2026-12-24T18:00, in the zone of the owner'),
  to: z.string().min(1).max(40).describe('likewise; a day counts whole'),
})
export type NewAbsence = z.input<typeof NewAbsence>

export const Absence = z.object({
  id: z.string(),
  owner: z.string(),
  from: Time,
  to: Time.describe('not included'),
  zone: z.string().describe('of the owner'),
})
export type Absence = z.infer<typeof Absence>

export const AccountTest = z.object({
  account: z.string(),
  ok: z.boolean(),
  message: z.string(),
  next: z.string().nullable().describe('what to do about it, where something is wrong'),
  emulated: z.boolean(),
})
export type AccountTest = z.infer<typeof AccountTest>

export const LoginStatus = z.object({
  state: z.enum(['none', 'waiting', 'good', 'revoked', 'denied', 'expired']),
  userCode: z.string().optional().describe('to be entered at the address'),
  verificationUrl: z.string().optional(),
})
export type LoginStatus = z.infer<typeof LoginStatus>

export const HubToken = z.object({
  token: z
    .string()
    .min(1)
    .max(300)
    .describe('a read token; proved by a live call before it is stored'),
})

export const HubStatus = z.object({
  state: z.enum(['none', 'good', 'refused']),
  hub: z.string().describe('the address of the hub that it is for'),
  user: z.string().nullable(),
  role: z.string().nullable().describe('what it may do, in the hub’s own word: read is enough'),
})
export type HubStatus = z.infer<typeof HubStatus>

export const Budget = z.object({
  account: z.string(),
  provider: z.string(),
  emulated: z.boolean(),
  weekStart: Time,
  resetsAt: Time,
  weeklyHours: z.number(),
  plannableHours: z.number().describe('the grant less the safety margin'),
  usedHours: z.number().describe('settled in our book this week'),
  reservedHours: z.number().describe('booked by sessions that have not ended'),
  adjustedHours: z.number(),
  leftHours: z.number().describe('what may still be planned by our book'),
  providerLeftHours: z
    .number()
    .nullable()
    .describe(
      'what may still be planned by the provider’s own book; null where it has none that is fresh',
    ),
  mayPlanHours: z.number().describe('the smaller of both, never negative'),
  binds: z.enum(['own', 'provider']).describe('whose book that is'),
  refreshesAt: Time.describe('when hours come again: by the provider’s word, else by the week'),
  providerReading: z
    .object({
      readAt: Time,
      usedHours: z.number(),
      reservedHours: z.number(),
      allowedHours: z.number(),
      refreshesAt: Time.nullable(),
    })
    .nullable()
    .describe("the provider's own book, where it keeps one"),
})
export type Budget = z.infer<typeof Budget>

export const AccountDetails = Account.extend({
  budget: Budget.nullable().describe('null for an account that was removed'),
  sessions: z.array(Session).describe('the newest twenty'),
  absences: z.array(Absence).describe('of its owner, those over left out'),
})
export type AccountDetails = z.infer<typeof AccountDetails>
const PlanWeek = z.object({
  startsAt: Time,
  endsAt: Time,
  leftHours: z.number().describe("by our book and, this week, the provider's, before the plan"),
})

const PlanStay = z.object({
  account: z.string(),
  kind: z.enum(['run', 'policy']),
  work: z.string().describe('the name of its run or policy'),
  state: z.enum(['live', 'awaiting_person', 'planned']),
  startsAt: Time,
  endsAt: Time,
  hours: z.number().describe('GPU time booked for it, a wait for a person left out'),
  steps: z.number().describe('expected of it in all; 0 where it serves'),
  bound: z
    .string()
    .nullable()
    .describe('with explain: what its account, start or length hangs on, of a planned one'),
  runnerUp: z.string().nullable().describe('with explain: the account that would have been next'),
})

export const Plan = z.object({
  madeAt: Time,
  until: Time,
  accounts: z.array(
    z.object({
      name: z.string(),
      provider: z.string(),
      owner: z.string(),
      emulated: z.boolean(),
      weeks: z.array(PlanWeek).describe('this one first'),
    }),
  ),
  stays: z.array(PlanStay).describe('by start, then by account'),
  waits: z.array(
    z.object({
      kind: z.enum(['run', 'policy']),
      work: z.string(),
      why: z.string(),
      until: Time.nullable().describe('when to look again'),
    }),
  ),
  finishes: z
    .record(z.string(), Finish.nullable())
    .describe('when each open run will be done; null where nothing of it is planned'),
  unservedHours: z
    .record(z.string(), z.number())
    .describe('hours of wanted windows that nobody serves, by policy'),
})
export type Plan = z.infer<typeof Plan>
