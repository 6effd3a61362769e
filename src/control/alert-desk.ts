import type { Channel } from '../alerts/channel.ts'
import { type ComposeOptions, composeLetter, letterOf } from '../alerts/compose.ts'
import { type Attempt, afterAttempt } from '../alerts/delivery.ts'
import type { ChannelRows, Letter, OutboxRows, StoredLetter } from '../alerts/outbox.ts'
import { trialMessage } from '../alerts/texts/message.ts'
import { messageOf } from '../lib/errors.ts'
import { newId, sha256Hex } from '../lib/random.ts'

/** The way to a channel, open for as many messages as there are. Neither call throws. */
export interface Sender {
  send(letter: Letter): Promise<Attempt>
  close(): Promise<void>
}

export interface AlertDeskPorts {
  readonly outbox: OutboxRows
  readonly channels: ChannelRows
  /** Of a channel that can be sent to: mail and webhooks. */
  readonly senderFor: (channel: Channel) => Promise<Sender>
  readonly compose: ComposeOptions
  /** This process, among those that ever worked on this outbox. */
  readonly owner: string
  readonly now: () => Date
  /** What nobody expected, while a channel was served. */
  readonly trouble: (error: unknown) => void
}

/** What a channel said to a trial message. */
export interface TrialAnswer {
  readonly channel: string
  readonly kind: Attempt['kind']
  readonly said: string
}

/** Composes and delivers what people are to be told; both are asked again and again, and go on where a process before them died. */
export function alertDesk(ports: AlertDeskPorts) {
  const { outbox, channels, now, owner } = ports
  /** Channels that are being served: a slow one keeps no other waiting. */
  const busy = new Map<string, Promise<void>>()

  async function serve(channel: Channel): Promise<void> {
    const way: { sender?: Sender } = {}
    const attemptOf = async (letter: Letter): Promise<Attempt> => {
      try {
        way.sender ??= await ports.senderFor(channel)
        return await way.sender.send(letter)
      } catch (error) {
        // A secret that cannot be opened, a file that is not there: somebody may mend it, and the message waits as for a server.
        ports.trouble(error)
        return { kind: 'later', said: messageOf(error) }
      }
    }
    try {
      for (;;) {
        const letter = await outbox.claimHead(channel.name, owner, now())
        if (!letter) return
        const attempt = await attemptOf(letter)
        const at = now()
        const after = afterAttempt(letter.delivery, attempt, at, chanceOf(letter))
        await outbox.record(letter, after, attempt, at)
        if (after.state === 'waiting' || (attempt.kind === 'refused' && attempt.isSignIn)) return
      }
    } finally {
      await way.sender?.close()
    }
  }

  /** Serves every channel that has something to send and is not served already; resolves when these are done. */
  async function deliver(): Promise<void> {
    const begun = (await outbox.dueChannels(now()))
      .filter(({ name }) => !busy.has(name))
      .map((channel) => {
        const served = serve(channel)
          .catch(ports.trouble)
          .finally(() => busy.delete(channel.name))
        busy.set(channel.name, served)
        return served
      })
    await Promise.all(begun)
  }

  async function tryOut(channel: Channel): Promise<TrialAnswer> {
    const at = now()
    const id = newId('trial')
    const message = trialMessage(ports.compose.voice)
    const parts = { id, channel, kind: 'test' as const, message, alerts: [], earlier: [], now: at }
    const letter = letterOf(parts, ports.compose)
    if (channel.kind === 'inbox') await outbox.keepSent(letter, keptHere)
    const attempt: Attempt =
      channel.kind === 'inbox'
        ? { kind: 'accepted', said: keptHere }
        : await sendAlone(letter, channel)
    if (attempt.kind === 'accepted' && channel.broken) await channels.mend(channel.name, at)
    return { channel: channel.name, kind: attempt.kind, said: attempt.said }
  }

  async function sendAlone(letter: Letter, channel: Channel): Promise<Attempt> {
    let sender: Sender | undefined
    try {
      sender = await ports.senderFor(channel)
      return await sender.send(letter)
    } catch (error) {
      return { kind: 'refused', said: messageOf(error) } // a secret that cannot be opened, a file that is not there
    } finally {
      await sender?.close()
    }
  }

  return {
    /** Claims of a process that died are void: one process works on a data folder. */
    begin: () => outbox.releaseClaims(owner),
    /** Puts what is due into messages; how many. */
    compose: () => {
      const at = now()
      return outbox.compose(at, (channel, alerts, isSummary, earlier) =>
        composeLetter(channel, alerts, isSummary, earlier, at, ports.compose),
      )
    },
    deliver,
    /** One look: composes and begins to deliver where there is something to do, without waiting for slow channels. */
    async look(): Promise<void> {
      const work = await outbox.hasWork(now())
      const made = work.compose ? await this.compose() : 0
      if (made > 0 || work.deliver) deliver().catch(ports.trouble)
    },
    /** Sends a real message through every channel, or one of them, and brings what each said. */
    async test(only?: string): Promise<TrialAnswer[]> {
      const all = (await channels.all()).filter(({ name }) => only === undefined || name === only)
      return Promise.all(all.map(tryOut))
    },
    /** Resolves when nothing is being sent any more. */
    async settled(): Promise<void> {
      while (busy.size > 0) await Promise.all(busy.values())
    },
  }
}

export type AlertDesk = ReturnType<typeof alertDesk>

export const keptHere = 'kept here: rodizio alerts inbox'

/** The channel that keeps messages here takes each of them. */
export const inboxSender: Sender = {
  send: async () => ({ kind: 'accepted', said: keptHere }),
  close: async () => undefined,
}

/** How far a wait is shifted: by the message and the attempt, so that many do not come back at once. */
const chanceOf = ({ id, delivery }: StoredLetter): number =>
  Number.parseInt(sha256Hex(`${id} ${delivery.attempts}`).slice(0, 8), 16) / 0x1_0000_0000
