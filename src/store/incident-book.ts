import type { IncidentRows, NamedIncident } from '../control/incidents.ts'
import { remindSeconds } from '../health/incident.ts'
import { incidentAlert } from '../health/noted.ts'
import { isSilenced } from '../health/silence.ts'
import { addSeconds } from '../lib/clock.ts'
import { sha256Hex } from '../lib/random.ts'
import { insertAlert } from './alert-rows.ts'
import { type Database, type Queries, type Row, text, textOrNull } from './database.ts'
import { countBelow, settleHeld, tellingIn, unfinishedIncidents, waits } from './hold-rows.ts'
import { addStep, putIncident, readIncident, readSteps, toIncident } from './incident-rows.ts'
import { toNode } from './node-rows.ts'
import { insertSilence, readSilences, toSilence } from './silence-rows.ts'

const toNamed = (row: Row): NamedIncident => ({
  incident: toIncident(row),
  node: text(row, 'node_name'),
  heldBy: textOrNull(row, 'held_at') === null ? null : textOrNull(row, 'held_by_name'),
})

const withName = `select incidents.*, nodes.name as node_name, above.name as held_by_name from incidents
     join nodes on nodes.id = incidents.node_id left join nodes above on above.id = incidents.held_by`

/** Incidents and silences as people see and change them. */
export const incidentBook = (db: Database, now: () => Date): IncidentRows => ({
  async incidents({ isOpen, node }, limit, cursor) {
    const from = cursor === undefined ? undefined : await readIncident(db, cursor)
    const rows = await db.all(
      `${withName} where ($1 = 0 or closed_at is null) and ($2 = '' or nodes.name = $2 or nodes.id = $2)
         and ($3 = '' or opened_at < $3 or (opened_at = $3 and incidents.id < $4))
       order by opened_at desc, incidents.id desc limit $5`,
      isOpen ? 1 : 0,
      node ?? '',
      from?.openedAt.toISOString() ?? '',
      from?.id ?? '',
      limit + 1,
    )
    const items = rows.slice(0, limit).map(toNamed)
    return { items, next: rows.length > limit ? (items.at(-1)?.incident.id ?? null) : null }
  },
  async incident(id) {
    const row = await db.first(`${withName} where incidents.id = $1`, id)
    return row && { ...toNamed(row), steps: await readSteps(db, id) }
  },
  unfinished: () => unfinishedIncidents(db, now()),
  acknowledge: (id, by) =>
    db.transaction(async (tx) => {
      const incident = await readIncident(tx, id)
      if (!incident || incident.acknowledgedAt !== null) return
      const at = now()
      await putIncident(tx, { ...incident, acknowledgedAt: at, acknowledgedBy: by })
      await addStep(tx, id, 'person', `${by} knows of it`, at)
    }),
  done: (id, what, words) =>
    db.transaction(async (tx) => {
      const incident = await readIncident(tx, id)
      const known = what === 'restart' ? incident?.restartAt : incident?.replacedAt
      if (!incident || known) return
      const at = now()
      await putIncident(tx, { ...incident, [what === 'restart' ? 'restartAt' : 'replacedAt']: at })
      await addStep(tx, id, 'done', words, at)
    }),
  async settleHeld() {
    const held = await db.first(
      'select 1 as one from incidents where held_at is not null and closed_at is null limit 1',
    )
    return held ? db.transaction((tx) => settleHeld(tx, now())) : 0
  },
  remind: () => db.transaction((tx) => remind(tx, now())),
  tellCertificates: () => db.transaction((tx) => tellCertificates(tx, now())),
  silences: async () => {
    const names = new Map(
      (await db.all('select id, name from nodes where id in (select node_id from silences)')).map(
        (row) => [text(row, 'id'), text(row, 'name')],
      ),
    )
    const silences = await readSilences(db, now())
    return silences.map((one) => ({
      ...one,
      nodeName: one.node === null ? null : (names.get(one.node) ?? null),
    }))
  },
  silence: (silence) => db.transaction((tx) => insertSilence(tx, silence)),
  endSilence: (id) =>
    db.transaction(async (tx) => {
      const row = await tx.first('select * from silences where id = $1 and ended_at is null', id)
      if (!row) return undefined
      await tx.run('update silences set ended_at = $1 where id = $2', now().toISOString(), id)
      return { ...toSilence(row), endedAt: now() }
    }),
})

/** From so many days before its end to so many. */
const warnings = [
  [14, 3],
  [3, 0],
] as const

async function tellCertificates(tx: Queries, at: Date): Promise<void> {
  const silences = await readSilences(tx, at)
  for (const [days, then] of warnings) {
    const rows = await tx.all(
      `select * from nodes where removed_at is null and state <> 'idle' and certificate_ends_at > $1
         and certificate_ends_at <= $2`,
      addSeconds(at, then * 86_400).toISOString(),
      addSeconds(at, days * 86_400).toISOString(),
    )
    for (const node of rows.map(toNode)) {
      const until = node.certificateEndsAt?.toISOString() ?? null
      const id = `alr_${sha256Hex(['certificate', node.id, until, days].join(' ')).slice(0, 20)}`
      const alert = { id, kind: 'certificate-ending', about: node.name, thread: null } as const
      const facts = { until, url: node.url }
      await insertAlert(tx, { ...alert, at, dueAt: at, facts }, isSilenced(silences, node.id, at))
    }
  }
}

/** One that somebody has acknowledged, or whose node is silenced, is left alone. */
async function remind(tx: Queries, at: Date): Promise<number> {
  const rows = await tx.all(
    `select incidents.id as incident_id, nodes.* from incidents join nodes on nodes.id = incidents.node_id
     where closed_at is null and acknowledged_at is null and told_at <= $1 and incidents.kind = 'down'
       and held_at is null`,
    addSeconds(at, -remindSeconds).toISOString(),
  )
  if (rows.length === 0) return 0
  const telling = tellingIn(tx)
  const silences = await telling.silences(at)
  let told = 0
  for (const row of rows) {
    const node = toNode(row)
    const incident = await readIncident(tx, textOrNull(row, 'incident_id') ?? '')
    if (!incident || isSilenced(silences, node.id, at)) continue
    if (await waits(tx, incident, node, at, telling)) continue
    await putIncident(tx, { ...incident, toldAt: at })
    const below = await countBelow(telling, node.id)
    const alert = incidentAlert(node, 'node-down', incident, at, at, { reminder: true, below })
    await insertAlert(tx, alert)
    told += 1
  }
  return told
}
