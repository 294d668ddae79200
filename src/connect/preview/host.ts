/** Previews as the API gives them. */
import type { System } from '../../base.ts'
import { HttpError } from '../../http.ts'
import type { Sample } from '../../samples.ts'
import { answerOf, OverLimit } from '../bounded-thread.ts'
import type { DefaultRegistry } from '../converters/converter.ts'
import { badRequest } from '../herder/errors.ts'
import type { Previewed } from '../preview.ts'

export interface PreviewOrder {
  readonly config: Readonly<Record<string, string>>
  /** Of the worker, whose converters count where the connector names none. */
  readonly worker: Readonly<Record<string, string>>
  readonly registry: DefaultRegistry | null
  readonly records: readonly Sample[]
}

export type PreviewAnswer = { readonly results: readonly Previewed[] } | { readonly invalid: string }

const threadFile = import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js'

/** Throws HttpError. */
export async function previewRecords(order: PreviewOrder, system: Pick<System, 'timers'>): Promise<readonly Previewed[]> {
  try {
    const answer = await answerOf<PreviewAnswer>({ name: 'preview', file: new URL(threadFile, import.meta.url), order }, system)
    if ('invalid' in answer) throw badRequest(answer.invalid)
    return answer.results
  } catch (error) {
    if (!(error instanceof OverLimit)) throw error
    if (error.isBusy)
      throw new HttpError(503, 503, `The records are not transformed: ${error.message}`, { headers: { 'retry-after': '2' } })
    throw badRequest(`The records are not transformed: ${error.message}`)
  }
}
