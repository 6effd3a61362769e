import type { Alert, AlertKind } from '../alert.ts'
import { digestOf } from '../digest.ts'
import { figure, lines, type Phrases, type Shown, type Told, word } from './told.ts'

const consequences: Readonly<Record<string, string>> = {
  replace: 'Um substituto está sendo iniciado.',
  restart: 'A sessão recebeu a ordem de reiniciar o servidor; se não adiantar, ela é substituída.',
  none: '',
}

const consequence = (alert: Alert): string => {
  const said = word(alert, 'consequence')
  return consequences[said] ?? said
}

const trouble: Readonly<Record<string, string>> = {
  'backup-failed': 'o backup falhou',
  'backup-late': 'não há backup do último dia',
  'drill-failed': 'o backup mais novo não pode ser restaurado',
  'drill-late': 'há mais de uma semana nenhum backup foi restaurado em teste',
}

const below = (alert: Alert): string => {
  const count = figure(alert, 'below') ?? 0
  if (count === 0) return ''
  const depends = count === 1 ? 'Um nó depende' : `${count} nós dependem`
  return `${depends} dele: enquanto estiver fora do ar, não se avisa ${count === 1 ? 'desse' : 'desses'}.`
}

const tellers: Readonly<Record<AlertKind, (alert: Alert, shown: Shown) => Told>> = {
  'node-down': (a, s) => ({
    headline: figure(a, 'reminder')
      ? `${a.about} continua fora do ar`
      : `${a.about} está fora do ar`,
    lines: lines(
      word(a, 'words') && `Causa provável: ${word(a, 'words')}`,
      word(a, 'from') && `Desde ${s.time(word(a, 'from'))}`,
      word(a, 'url') && `Endereço: ${word(a, 'url')}`,
      (figure(a, 'accountNodes') ?? 0) > 1 &&
        `Os ${word(a, 'accountNodes')} nós da conta de túnel ${word(a, 'account')} caíram juntos: veja primeiro a conta e o serviço dela.`,
      below(a),
      consequence(a),
    ),
  }),
  'node-unstable': (a, s) => ({
    headline: `${a.about} está instável`,
    lines: lines(
      `Caiu e voltou ${word(a, 'changes') || 'várias'} vezes; até se firmar não há outra mensagem.`,
      word(a, 'words') && `Última causa: ${word(a, 'words')}`,
      word(a, 'from') && `Desde ${s.time(word(a, 'from'))}`,
    ),
  }),
  'node-recovered': (a, s) => ({
    headline: `${a.about} voltou`,
    lines: lines(
      figure(a, 'downSeconds') !== null &&
        `Esteve fora do ar por ${s.duration(figure(a, 'downSeconds') ?? 0)}.`,
      `De volta desde ${s.time(a.at.toISOString())}`,
      word(a, 'words') && `Causa: ${word(a, 'words')}`,
    ),
  }),
  'node-limited': (a) => ({
    headline: `${a.about} chegou a um limite da conta`,
    lines: lines(
      word(a, 'words'),
      'Não é consultado até o fim do limite e nada é substituído: outra sessão encontraria o mesmo limite.',
    ),
  }),
  'certificate-ending': (a, s) => ({
    headline: `${a.about}: o certificado está para vencer`,
    lines: lines(
      word(a, 'until') && `Vence ${s.time(word(a, 'until'))}`,
      'Depois disso, quem verifica certificados não chega mais a ele.',
    ),
  }),
  'own-network': (a, s) => ({
    headline: 'A rede do próprio Rodízio esteve fora do ar',
    lines: lines(
      'Nem os nós nem outros dois endereços responderam: nada se soube dos nós, e nenhum foi dado como fora do ar.',
      word(a, 'from') && `De ${s.time(word(a, 'from'))}`,
      word(a, 'to') && `Até ${s.time(word(a, 'to'))}`,
    ),
  }),
  'action-needed': (a, s) => {
    const link = word(a, 'link')
    const what = word(a, 'words') || 'abrir um link e clicar em "Executar tudo"'
    return {
      headline: figure(a, 'reminder')
        ? `${a.about}: ainda espera você (${what})`
        : `${a.about}: é preciso ${what}`,
      lines: lines(
        word(a, 'owner') &&
          `Para ${word(a, 'owner')}${word(a, 'account') && `, com a conta ${word(a, 'account')}`}`,
        word(a, 'expiresAt') &&
          `Até ${s.time(word(a, 'expiresAt'))}; depois disso não se espera mais.`,
      ),
      ...(link ? { link: { label: 'Abrir o notebook', url: link } } : {}),
    }
  },
  'session-lost': (a, s) => ({
    headline: `${a.about}: a sessão ${word(a, 'generation')} em ${word(a, 'account')} ${word(a, 'outcome') === 'failed' ? 'falhou' : 'se perdeu'}`,
    lines: lines(
      word(a, 'words') && `Por quê: ${word(a, 'words')}`,
      figure(a, 'checkpointStep') !== null &&
        `Continua a partir do checkpoint no passo ${word(a, 'checkpointStep')}.`,
      (figure(a, 'lostSteps') ?? 0) > 0 &&
        `${s.number(figure(a, 'lostSteps') ?? 0, 0)} passos são refeitos.`,
    ),
  }),
  'run-finished': (a, s) => ({
    headline: `${a.about} terminou`,
    lines: lines(
      figure(a, 'step') !== null &&
        `${s.number(figure(a, 'step') ?? 0, 0)} passos em ${word(a, 'sessions')} sessões.`,
      `Veja com: rodizio train show ${a.about}`,
    ),
  }),
  'run-failed': (a) => ({
    headline: `${a.about} falhou`,
    lines: lines(
      word(a, 'words') && `Por quê: ${word(a, 'words')}`,
      `Veja com: rodizio train logs ${a.about}`,
    ),
  }),
  'run-stalled': (a, s) => ({
    headline: `${a.about} está parado há um dia`,
    lines: lines(
      word(a, 'words') && `Espera: ${word(a, 'words')}`,
      word(a, 'from') && `Desde ${s.time(word(a, 'from'))}`,
      'O plano e o que o prende: rodizio plan --explain',
    ),
  }),
  'adapter-promoted': (a) => ({
    headline: `${a.about}: um adapter foi promovido`,
    lines: lines(word(a, 'words')),
  }),
  'adapter-rejected': (a) => ({
    headline: `${a.about}: um candidato não foi promovido`,
    lines: lines(word(a, 'words')),
  }),
  'budget-low': (a, s) => ({
    headline: `${a.about}: ${s.number(figure(a, 'percent') ?? 80, 0)} % das horas de GPU da semana foram usadas`,
    lines: budget(a, s),
  }),
  'budget-spent': (a, s) => ({
    headline: `${a.about}: as horas de GPU da semana acabaram`,
    lines: budget(a, s),
  }),
  'budget-reset': (a, s) => ({
    headline: `${a.about}: começou outra semana de horas de GPU`,
    lines: budget(a, s),
  }),
  'quota-low': (a) => ({
    headline: `${a.about}: a cota de um provedor está quase no fim`,
    lines: lines(word(a, 'words')),
  }),
  'checkpoint-damaged': (a) => ({
    headline: `${a.about}: o checkpoint no passo ${word(a, 'step')} está danificado`,
    lines: lines('É deixado de lado, e o anterior é usado.'),
  }),
  'store-nearly-full': (a, s) => ({
    headline: `${a.about} está quase sem espaço`,
    lines: lines(
      figure(a, 'freeBytes') !== null &&
        `${s.number((figure(a, 'freeBytes') ?? 0) / 1e9)} GB livres, ${s.number(figure(a, 'freePercent') ?? 0)} %.`,
      'O que ninguém usa sai com: rodizio store gc',
    ),
  }),
  'backup-failed': (a, s) => ({
    headline: `${a.about}: ${trouble[word(a, 'what')] ?? 'o backup falhou'}`,
    lines: lines(
      word(a, 'words') && `Motivo: ${word(a, 'words')}`,
      word(a, 'from') && `O último bom: ${s.time(word(a, 'from'))}`,
      'Tente à mão: rodizio backup create, rodizio backup drill',
    ),
  }),
  'backup-recovered': (a) => ({
    headline: `${a.about}: ${word(a, 'what') === 'drill-good' ? 'um backup foi restaurado em teste de novo' : 'há um bom backup de novo'}`,
    lines: lines('Veja com: rodizio backup list'),
  }),
  'service-restored': (a, s) => ({
    headline: `${a.about} foi restaurado de um backup`,
    lines: lines(
      word(a, 'from') && `Como estava ${s.time(word(a, 'from'))}`,
      (figure(a, 'sessions') ?? 0) > 0 &&
        `${word(a, 'sessions')} sessões que estavam abertas foram encerradas; os treinos seguem com outras.`,
      (figure(a, 'parked') ?? 0) > 0 &&
        `${word(a, 'parked')} mensagens talvez já tenham saído e não são enviadas de novo: rodizio alerts list --state parked`,
      'Garanta que o serviço antigo fique desligado.',
    ),
  }),
  digest: (a, s) => {
    const d = digestOf(a.facts)
    return {
      headline: `Rodízio: ${a.about}`,
      lines: lines(
        ...d.nodes.map(
          ({ name, state, uptime }) =>
            `${name}: ${states[state] ?? state}${uptime === null ? '' : `, ${s.number(uptime * 100, 2)} % no ar desde ontem`}`,
        ),
        d.gpuHours !== null && `Horas de GPU desde ontem: ${s.number(d.gpuHours)}`,
        d.steps !== null && `Passos de treino desde ontem: ${s.number(d.steps, 0)}`,
        d.sessions !== null && `Sessões que começaram: ${s.number(d.sessions, 0)}`,
        d.undelivered > 0 &&
          `${s.number(d.undelivered, 0)} mensagens não puderam ser entregues; veja com: rodizio alerts list --state parked`,
      ),
    }
  },
}

const states: Readonly<Record<string, string>> = {
  up: 'no ar',
  down: 'fora do ar',
  unstable: 'instável',
  unknown: 'desconhecido',
  limited: 'no limite da conta',
  idle: 'inativo',
}

const budget = (a: Alert, s: Shown): string[] =>
  lines(
    figure(a, 'leftHours') !== null &&
      `${s.number(figure(a, 'leftHours') ?? 0)} de ${s.number(figure(a, 'weeklyHours') ?? 0)} horas ainda podem ser planejadas.`,
    word(a, 'resetsAt') && `A próxima semana começa ${s.time(word(a, 'resetsAt'))}`,
  )

const plural: Readonly<Record<AlertKind, (count: number) => string>> = {
  'node-down': (n) => `${n} nós estão fora do ar`,
  'node-unstable': (n) => `${n} nós estão instáveis`,
  'node-recovered': (n) => `${n} nós voltaram`,
  'node-limited': (n) => `${n} nós chegaram a um limite`,
  'certificate-ending': (n) => `${n} certificados estão para vencer`,
  'own-network': (n) => `a rede própria caiu ${n} vezes`,
  'action-needed': (n) => `${n} links esperam você`,
  'session-lost': (n) => `${n} sessões se perderam`,
  'run-finished': (n) => `${n} treinos terminaram`,
  'run-failed': (n) => `${n} treinos falharam`,
  'run-stalled': (n) => `${n} treinos estão parados há um dia`,
  'adapter-promoted': (n) => `${n} adapters foram promovidos`,
  'adapter-rejected': (n) => `${n} candidatos não foram promovidos`,
  'budget-low': (n) => `${n} contas têm pouco da semana`,
  'budget-spent': (n) => `${n} contas gastaram a semana`,
  'budget-reset': (n) => `${n} contas começam outra semana`,
  'quota-low': (n) => `${n} cotas estão quase no fim`,
  'checkpoint-damaged': (n) => `${n} checkpoints estão danificados`,
  'store-nearly-full': (n) => `${n} armazenamentos quase sem espaço`,
  'backup-failed': (n) => `${n} backups ou testes faltam`,
  'backup-recovered': (n) => `${n} backups estão bons de novo`,
  'service-restored': (n) => `restaurado ${n} vezes`,
  digest: (n) => `${n} resumos`,
}

export const portuguese: Phrases = {
  tell: (alert, shown) => tellers[alert.kind](alert, shown),
  many: (kind, count, names) => `${plural[kind](count)}: ${names}`,
  account: (account, count, names) =>
    `Conta de túnel ${account}: os ${count} nós dela estão fora do ar: ${names}`,
  summary: (count) => `Rodízio: mais ${count} alertas da última hora`,
  andMore: (count) => `e mais ${count}`,
  footer: 'Enviado pelo Rodízio. Quem recebe o quê: rodizio alerts channels list',
  test: {
    headline: 'Rodízio: uma mensagem de teste',
    lines: ['Alguém a pediu com: rodizio alerts test', 'Os alertas chegarão aonde esta chegou.'],
  },
  units: { day: 'd', hour: 'h', minute: 'min', second: 's' },
  locale: 'pt-BR',
}
