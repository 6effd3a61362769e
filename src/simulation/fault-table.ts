/** One kind of fault, or one figure of it. */
export interface FaultRow {
  readonly what: string
  /** Of the figures, as it is printed. */
  readonly unit: string
  readonly none: number
  readonly usual: number
  readonly all: number
  /** The largest figure that makes sense. */
  readonly most: number
  /** Where the usual figure comes from; `assumed` where nobody has measured it. */
  readonly source: string
}

const perGpuHour = 'per GPU hour'
const perSessionHour = 'per session hour'
const perServedHour = 'per served hour'
const perWeek = 'per week'
const minutes = 'minutes, on average'
const hours = 'hours'

const row = (
  what: string,
  unit: string,
  [none, usual, all]: readonly [number, number, number],
  most: number,
  source = 'assumed',
): FaultRow => ({ what, unit, none, usual, all, most, source })

/** A share of something, from 0 to 1. */
const share = (what: string, of: string, usual: number, all: number, source?: string): FaultRow =>
  row(what, `share of ${of}`, [0, usual, all], 1, source)

/** How often something happens; 0 is never. */
const rate = (what: string, unit: string, usual: number, all: number, source?: string): FaultRow =>
  row(what, unit, [0, usual, all], 60, source)

/** How long it lasts, or how far it goes, once it happens; it needs a figure without faults, too, but there it is never used. */
const length = (
  what: string,
  unit: string,
  usual: number,
  all: number,
  source?: string,
): FaultRow => row(what, unit, [0, usual, all], 10_080, source)

const colabCuts =
  'Colab FAQ: long free runs may be cut (read 2026-11); cuts near 1.5 h in google-colab-cli#115'
const fieldNotes = 'field notes of a Kaggle user, 2026-10-08'
const floats = 'weekly hours float since 2020: "30 hours or sometimes higher depending on demand"'

/**
 * Every fault that the simulator knows, in the order of printing: `none` is a world without faults, `usual` a moderate one,
 * and in `all` each happens many times a year. Rates count what is running or asked; 0 is never.
 */
export const faultTable = {
  kagglePreemptionsPerGpuHour: rate('Kaggle takes a machine back', perGpuHour, 0.005, 0.04),
  colabPreemptionsPerGpuHour: rate('Colab takes a machine back', perGpuHour, 0.06, 0.25, colabCuts),

  lostBeatSpellsPerSessionHour: rate('heartbeats get lost', perSessionHour, 0.05, 0.4),
  lostBeatMinutes: length('… for so long', minutes, 2, 5),
  lateBeatSpellsPerSessionHour: rate('heartbeats are late', perSessionHour, 0.05, 0.4),
  lateBeatMinutes: length('… for so long', minutes, 3, 10),
  lateBeatSeconds: length('… by so much', 'seconds', 30, 150),
  doubleBeatSpellsPerSessionHour: rate('heartbeats arrive twice', perSessionHour, 0.02, 0.4),
  doubleBeatMinutes: length('… for so long', minutes, 2, 5),

  freezesPerGpuHour: rate('a notebook freezes, and wakes later', perGpuHour, 0.002, 0.04),
  freezeMinutes: length('… after so long', minutes, 20, 40),

  launchRefusedShare: share('a launch is refused for no reason', 'launches', 0.02, 0.1),
  launchUnheardShare: share('a launch starts, its answer is lost', 'launches', 0.01, 0.08),
  launchLostShare: share('a launch is lost on its way', 'launches', 0.01, 0.08),
  launchShowsSeconds: row(
    'until a started session shows',
    'seconds at most',
    [0, 5, 15],
    19,
    'below the 20 s for which the service waits',
  ),

  personMinutes: row('a person comes after', 'minutes, half of them sooner', [10, 45, 120], 10_080),
  personSpread: row(
    '… give or take a factor',
    'for two thirds of them',
    [1, 2.5, 5],
    100,
    'assumed',
  ),
  personFromHour: row('a person is awake from', 'hour of the day', [8, 8, 9], 24),
  personToHour: row('… until', 'hour of the day', [23, 23, 21], 24),
  personNeverShare: share('a person never comes', 'links', 0.05, 0.25),
  personLateShare: share('a person comes very late', 'links', 0.02, 0.1),
  personLateHours: length('… by so much', hours, 14, 30),
  personAgainShare: share('a person presses Run all again', 'links', 0.02, 0.15),
  personAgainMinutes: length('… after so long', minutes, 30, 45),

  quotaAwaySpellsPerWeek: rate("Kaggle's quota cannot be read", perWeek, 1, 12),
  quotaAwayMinutes: length('… for so long', minutes, 15, 90),
  erraticReservedShare: share(
    "Kaggle's reserved hours are wrong",
    'readings',
    0.05,
    0.4,
    `${fieldNotes}: once 0.00 while a run was 0.3 h in`,
  ),
  kaggleLeastHours: row("least of Kaggle's weekly hours", hours, [30, 28, 28], 168, floats),
  kaggleMostHours: row("most of Kaggle's weekly hours", hours, [30, 33, 41], 168, floats),
  colabLeastHours: row("least of Colab's weekly hours", hours, [40, 30, 20], 168),
  colabMostHours: row("most of Colab's weekly hours", hours, [40, 50, 50], 168),
  colabDenialShare: share(
    'Colab has no machine',
    'launches',
    0.04,
    0.15,
    'Colab FAQ: availability varies (read 2026-11)',
  ),

  kaggleQueueMinutes: row('a session waits at Kaggle', minutes, [0.5, 2, 10], 1440),
  statusLagMinutes: length(
    "Kaggle's status and slot lag behind the end",
    minutes,
    2,
    10,
    'a session can end minutes before its status leaves RUNNING (users of Kaggle, 2026)',
  ),
  statusStuckShare: share("Kaggle's status never leaves RUNNING", 'sessions', 0.002, 0.05),
  providerDownSpellsPerWeek: rate('a provider is down', perWeek, 0.2, 4),
  providerDownMinutes: length('… for so long', minutes, 40, 90),

  noGpuShare: share(
    'a machine without a GPU',
    'sessions',
    0.005,
    0.05,
    'kaggle-cli#1197: a CPU image in place of what was asked for',
  ),
  deadGpuShare: share(
    'a GPU on which nothing runs',
    'sessions',
    0.005,
    0.05,
    'kaggle-cli#1151: P100 under the current image',
  ),
  outOfMemoryShare: share('the GPU has too little memory', 'sessions', 0.002, 0.03),
  notebookBugShare: share('the notebook fails by itself', 'sessions', 0.0005, 0.01),
  stepNoiseShare: row('steps take longer or shorter', 'share of their time', [0, 0.03, 0.15], 0.9),

  storeErrorSpellsPerWeek: rate('the service can write nothing', perWeek, 0.1, 5),
  storeErrorMinutes: length('… for so long', minutes, 3, 20),
  restartsPerWeek: rate('the service dies', perWeek, 0.25, 14),
  restartMinutes: length('… and comes back after', minutes, 2, 10),
  restartMidTickShare: share(
    '… between two of its own steps',
    'deaths',
    0.2,
    0.8,
    'assumed: else it dies while it waits',
  ),
  clockJumpsPerWeek: rate("the service's clock jumps", perWeek, 0.1, 4),
  clockJumpSeconds: length('… by at most so much, either way', 'seconds', 5, 90),

  tunnelsLostPerServedHour: rate(
    'the tunnel of a node is gone, its session lives',
    perServedHour,
    0.02,
    0.2,
    'assumed: quick tunnels come without a promise (docs of cloudflared, read 2026-11)',
  ),
  serversHungPerServedHour: rate('the server of a node hangs', perServedHour, 0.02, 0.2),
  serverStaysHungShare: share('… and a restart does not heal it', 'restarts', 0.3, 0.6),
  serverReloadSeconds: length('… it answers again after', 'seconds', 120, 200),
} as const satisfies Record<string, FaultRow>

export type FaultName = keyof typeof faultTable
export const faultNames = Object.keys(faultTable) as readonly FaultName[]
