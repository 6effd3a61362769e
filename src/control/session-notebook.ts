import { tokensPerRow } from '../notebooks/figures.ts'
import { renderNotebook } from '../notebooks/generate.ts'
import { Plan } from '../notebooks/plan.ts'
import { predict } from '../notebooks/predict.ts'
import type { Templates } from '../notebooks/templates.ts'
import { TrainRecipe } from '../notebooks/train-recipe.ts'
import type { Account } from '../rotation/account.ts'
import type { Run } from '../rotation/run.ts'
import type { Session } from '../rotation/session.ts'

/** How a session gets on: by calling the service, or by a whole work order of its own. */
export type WayIn =
  | { readonly controlUrl: string; readonly ticket: string }
  | { readonly sealed: string }

/** Only this machine and emulated accounts may go without a GPU. */
export const needsGpu = (session: Session, account: Pick<Account, 'emulated'>): boolean =>
  session.provider !== 'local' && !account.emulated

/**
 * The notebook of one session of a training, on data of so many rows and bytes: it carries the service's address and a ticket, or its sealed
 * order, and no other secret.
 */
export function sessionNotebook(
  run: Run,
  session: Session,
  account: Pick<Account, 'emulated'>,
  way: WayIn,
  train: { readonly rows: number; readonly bytes: number },
  templates: Templates,
): string {
  const plan = Plan.parse(run.plan)
  const sessionHours = session.plannedSeconds / 3600
  const recipe = TrainRecipe.parse({
    kind: 'train',
    provider: session.provider,
    engine: run.engine,
    name: session.name,
    run: { id: run.id, name: run.name },
    generation: session.generation,
    requireGpu: needsGpu(session, account),
    plan,
    predictions: predict(plan, {
      row: tokensPerRow(train, plan.maxLength),
      sessionHours,
      sessionSteps: run.options.sessionSteps,
    }),
    ...way,
  })
  return renderNotebook(recipe, templates)
}
