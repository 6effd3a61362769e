import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { Absence, NewAbsence } from '../api/schemas.ts'
import {
  type AbsenceRows,
  type Absence as Away,
  addAbsence,
  removeAbsence,
} from '../control/absences.ts'
import type { Person } from '../control/people.ts'
import { answers, answersPage, body, routes } from './routes.ts'

export interface AbsencePorts {
  readonly absences: AbsenceRows
  readonly now: () => Date
}

const list = createRoute({
  method: 'get',
  path: '/v1/absences',
  responses: answersPage('Spans in which somebody is not there, those over left out', Absence),
})

const add = createRoute({
  method: 'post',
  path: '/v1/absences',
  request: { body: body(NewAbsence) },
  responses: answers('The span as it was understood, in the zone of that person', Absence),
})

const remove = createRoute({
  method: 'delete',
  path: '/v1/absences/{id}',
  request: { params: z.object({ id: z.string().min(1) }) },
  responses: answers('What was taken back', Absence),
})

export const absenceRoutes = ({ absences, now }: AbsencePorts) =>
  routes()
    .openapi(list, async (c) => {
      const items: Absence[] = []
      for (const away of await absences.absences(now())) {
        items.push(toAbsence(away, await absences.person(away.owner)))
      }
      return c.json({ items, next: null }, 200)
    })
    .openapi(add, async (c) => {
      const { person, ...away } = await addAbsence(absences, c.req.valid('json'), now())
      return c.json(toAbsence(away, person), 200)
    })
    .openapi(remove, async (c) => {
      const away = await removeAbsence(absences, c.req.valid('param').id)
      return c.json(toAbsence(away, await absences.person(away.owner)), 200)
    })

export const toAbsence = ({ id, owner, from, to }: Away, { zone }: Person): Absence => ({
  id,
  owner,
  from: from.toISOString(),
  to: to.toISOString(),
  zone,
})
