import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import type { DeliveryView, OutboxRows } from '../alerts/outbox.ts'
import { minuteText } from '../alerts/quiet-hours.ts'
import {
  Alert,
  AlertChannel,
  AlertChannelChange,
  AlertDelivery,
  AlertRetry,
  AlertTrial,
  alertFilter,
  InboxMail,
  NewAlertChannel,
} from '../api/alert-schemas.ts'
import type { AlertDesk } from '../control/alert-desk.ts'
import type { AlertReads, AlertView } from '../control/alert-reads.ts'
import type { ChannelDesk, ChannelView } from '../control/channel-desk.ts'
import { AppError } from '../lib/errors.ts'
import { answers, answersPage, body, NameParam, PageQuery, routes } from './routes.ts'

export interface AlertPorts {
  readonly alertReads: AlertReads
  readonly alertDesk: Pick<AlertDesk, 'test'>
  readonly alertChannels: ChannelDesk
  readonly alertOutbox: Pick<OutboxRows, 'retry' | 'retryAll'>
  readonly now: () => Date
}

const IdParam = z.object({ id: z.string().min(1).max(300) })

const list = createRoute({
  method: 'get',
  path: '/v1/alerts',
  request: { query: PageQuery.extend(alertFilter) },
  responses: answersPage('What people were told or are to be told, newest first', Alert),
})

const show = createRoute({
  method: 'get',
  path: '/v1/alerts/{id}',
  request: { params: IdParam },
  responses: answers('An alert with its deliveries', Alert),
})

const test = createRoute({
  method: 'post',
  path: '/v1/alerts/test',
  description: 'Sends a real message through every channel now, or through one.',
  request: { query: z.object({ channel: z.string().min(1).optional() }) },
  responses: answers('What each channel said', AlertTrial),
})

const retry = createRoute({
  method: 'post',
  path: '/v1/alert-deliveries/{id}/retry',
  description:
    'Sends a message again that was refused or parked, under the same Message-ID; its channel is mended.',
  request: { params: IdParam },
  responses: answers('The delivery, which waits for its turn', AlertDelivery),
})

const retryAll = createRoute({
  method: 'post',
  path: '/v1/alert-deliveries/retry',
  description: 'The same for all of the last week, of one channel or of all.',
  request: { query: z.object({ channel: z.string().min(1).optional() }) },
  responses: answers('How many wait now', AlertRetry),
})

const inbox = createRoute({
  method: 'get',
  path: '/v1/inbox',
  request: { query: z.object({ limit: z.coerce.number().int().min(1).max(200).default(50) }) },
  responses: answersPage(
    'Messages that are kept here while no mail server is set, newest first',
    InboxMail,
  ),
})

const channels = createRoute({
  method: 'get',
  path: '/v1/alert-channels',
  responses: answersPage('Where alerts are told', AlertChannel),
})

const addChannel = createRoute({
  method: 'post',
  path: '/v1/alert-channels',
  request: { body: body(NewAlertChannel) },
  responses: answers('The channel; its address and secret are stored encrypted', AlertChannel),
})

const changeChannel = createRoute({
  method: 'patch',
  path: '/v1/alert-channels/{name}',
  request: { params: NameParam, body: body(AlertChannelChange) },
  responses: answers('The channel as it is now', AlertChannel),
})

const removeChannel = createRoute({
  method: 'delete',
  path: '/v1/alert-channels/{name}',
  request: { params: NameParam },
  responses: answers('What was removed; what it was told stays on record', AlertChannel),
})

export const alertRoutes = (ports: AlertPorts) => {
  const { alertReads: reads, alertDesk: desk, alertChannels, alertOutbox: outbox, now } = ports
  return routes()
    .openapi(list, async (c) => {
      const { limit, cursor, kind, state } = c.req.valid('query')
      const { items, next } = await reads.alerts({ kind, state }, limit, cursor)
      return c.json({ items: items.map(toAlert), next }, 200)
    })
    .openapi(show, async (c) => {
      const { id } = c.req.valid('param')
      const alert = await reads.alert(id)
      if (alert) return c.json(toAlert(alert), 200)
      throw new AppError('not-found', `there is no alert ${JSON.stringify(id)}`, {
        code: 'alert_unknown',
        next: 'The newest ones: rodizio alerts list',
      })
    })
    .openapi(test, async (c) => {
      const { channel } = c.req.valid('query')
      const items = await desk.test(channel)
      if (channel === undefined || items.length > 0) return c.json({ items }, 200)
      throw new AppError('not-found', `there is no channel ${JSON.stringify(channel)}`, {
        code: 'channel_unknown',
        next: 'All channels: rodizio alerts channels list',
      })
    })
    .openapi(retry, async (c) => {
      const { id } = c.req.valid('param')
      await outbox.retry(id, now())
      const delivery = await reads.delivery(id)
      if (delivery) return c.json(toDelivery(delivery), 200)
      throw new AppError('internal', `delivery ${id} is gone`)
    })
    .openapi(retryAll, async (c) => {
      const { channel } = c.req.valid('query')
      return c.json({ deliveries: await outbox.retryAll(channel, now()) }, 200)
    })
    .openapi(inbox, async (c) => {
      const mails = await reads.inbox(c.req.valid('query').limit)
      const items = mails.map((mail) => ({ ...mail, at: mail.at.toISOString() }))
      return c.json({ items, next: null }, 200)
    })
    .openapi(channels, async (c) =>
      c.json({ items: (await alertChannels.list()).map(toChannel), next: null }, 200),
    )
    .openapi(addChannel, async (c) =>
      c.json(toChannel(await alertChannels.add(c.req.valid('json'))), 200),
    )
    .openapi(changeChannel, async (c) => {
      const { name } = c.req.valid('param')
      return c.json(toChannel(await alertChannels.change(name, c.req.valid('json'))), 200)
    })
    .openapi(removeChannel, async (c) =>
      c.json(toChannel(await alertChannels.remove(c.req.valid('param').name)), 200),
    )
}

const toDelivery = (delivery: DeliveryView): AlertDelivery => ({
  ...delivery,
  createdAt: delivery.createdAt.toISOString(),
  nextAt: delivery.nextAt?.toISOString() ?? null,
  endedAt: delivery.endedAt?.toISOString() ?? null,
})

const toAlert = (alert: AlertView): Alert => ({
  id: alert.id,
  kind: alert.kind,
  about: alert.about,
  at: alert.at.toISOString(),
  dueAt: alert.dueAt.toISOString(),
  thread: alert.thread,
  facts: { ...alert.facts },
  state: alert.state,
  deliveries: alert.deliveries.map(toDelivery),
})

const toChannel = ({
  counts,
  quiet,
  broken,
  createdAt,
  ...channel
}: ChannelView): AlertChannel => ({
  ...channel,
  ...counts,
  quiet: quiet && {
    hours: `${minuteText(quiet.from)}-${minuteText(quiet.to)}`,
    zone: quiet.zone,
    except: [...quiet.except],
  },
  broken: broken && { at: broken.at.toISOString(), said: broken.said },
  createdAt: createdAt.toISOString(),
})
