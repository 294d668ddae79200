/** Rows of the table of signals, as Debezium's: an id, a type and data in JSON. */
import type { TaskContext } from '../../connector.ts'
import { included } from '../change-data/lists.ts'
import type { IncrementalSnapshot } from './incremental.ts'

export interface Signal {
  readonly id: string
  readonly type: string
  readonly data: string | null
}

interface Data {
  readonly 'data-collections'?: readonly string[]
  readonly type?: string
  readonly 'additional-conditions'?: readonly { readonly 'data-collection'?: string; readonly filter?: string }[]
  readonly message?: string
}

/** A signal that is not understood is said on the log, and does nothing else: whoever wrote it cannot be answered. */
export async function obey(
  signal: Signal,
  snapshot: IncrementalSnapshot,
  captured: () => Promise<readonly string[]>,
  log: TaskContext['log'],
): Promise<void> {
  const { id, type } = signal
  try {
    const data = parse(signal.data)
    switch (type) {
      case 'execute-snapshot':
        return execute(data, snapshot, await captured())
      case 'stop-snapshot':
        return snapshot.stop(data['data-collections'] === undefined ? null : included(data['data-collections'], []))
      case 'pause-snapshot':
        return snapshot.pause(true)
      case 'resume-snapshot':
        return snapshot.pause(false)
      case 'log':
        return log.info({ signal: id }, (data.message ?? '').slice(0, 1_000))
      case 'snapshot-window-open':
      case 'snapshot-window-close':
        return // Debezium's own
      default:
        log.warn({ signal: id }, `there is no signal ${type.slice(0, 100)}`)
    }
  } catch (error) {
    log.warn({ signal: id, err: error }, 'a signal is not understood')
  }
}

/** Throws SyntaxError. */
function parse(text: string | null): Data {
  const data: unknown = JSON.parse(text === null || text === '' ? '{}' : text)
  if (typeof data !== 'object' || data === null || Array.isArray(data)) throw new SyntaxError('data must be a JSON object')
  const { 'data-collections': names, 'additional-conditions': conditions, message } = data as Data
  if (names !== undefined && !(Array.isArray(names) && names.every(each => typeof each === 'string')))
    throw new SyntaxError('data-collections must be a list of texts')
  if (conditions !== undefined && !Array.isArray(conditions)) throw new SyntaxError('additional-conditions must be a list')
  if (message !== undefined && typeof message !== 'string') throw new SyntaxError('message must be a text')
  return data
}

function execute(data: Data, snapshot: IncrementalSnapshot, tables: readonly string[]): void {
  const { type = 'incremental', 'data-collections': names = [], 'additional-conditions': conditions = [] } = data
  if (type.toLowerCase() !== 'incremental') throw new SyntaxError(`there are incremental snapshots only, not ${type}`)
  if (names.length === 0) throw new SyntaxError('data-collections names no table')
  const filters = conditions.map(({ 'data-collection': name = '', filter = '' }) => [included([name], []), filter] as const)
  const wanted = tables.filter(included(names, []))
  if (wanted.length === 0) throw new SyntaxError('data-collections names no table that is captured')
  snapshot.add(wanted.map(name => ({ name, condition: filters.find(([isFor]) => isFor(name))?.[1] ?? '' })))
}
