import type { AdapterFacts } from '../notebooks/adapter.ts'
import { renderNotebook } from '../notebooks/generate.ts'
import { predictServing } from '../notebooks/predict-serving.ts'
import { ServePlan } from '../notebooks/serve-plan.ts'
import { ServeSessionRecipe } from '../notebooks/serve-session-recipe.ts'
import type { Templates } from '../notebooks/templates.ts'
import type { Account } from '../rotation/account.ts'
import type { Run } from '../rotation/run.ts'
import type { Session } from '../rotation/session.ts'
import { needsGpu } from './session-notebook.ts'

/**
 * The notebook of one session of a serving policy: it carries the service's address and a ticket, and no other secret.
 * @param facts of the policy's adapter; null where its manifest cannot be read
 */
export function serveSessionNotebook(
  run: Run,
  session: Session,
  account: Pick<Account, 'emulated'>,
  way: { readonly controlUrl: string; readonly ticket: string },
  facts: AdapterFacts | null,
  templates: Templates,
): string {
  const recipe = ServeSessionRecipe.parse({
    kind: 'serve-session',
    provider: session.provider,
    name: session.name,
    run: { id: run.id, name: run.name },
    generation: session.generation,
    requireGpu: needsGpu(session, account),
    plan: ServePlan.parse(run.plan),
    facts,
    predictions: predictServing(facts, session.plannedSeconds),
    ...way,
  })
  return renderNotebook(recipe, templates)
}
