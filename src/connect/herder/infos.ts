/** What the API tells about connectors, in Kafka Connect's form. */
import type { ConnectorDefinition } from '../../connector.ts'
import type { Plugins } from '../plugins.ts'
import { withoutSecrets } from '../secrets.ts'
import type { Config, ConfigState } from '../stores/config-state.ts'
import type { Status, StatusStore } from '../stores/status-store.ts'
import { notFound } from './errors.ts'

export interface ConnectorInfo {
  readonly name: string
  readonly config: Config
  readonly tasks: readonly { readonly connector: string; readonly task: number }[]
  readonly type: 'sink' | 'source' | 'unknown'
}

interface PartInfo {
  readonly state: string
  readonly worker_id: string
  readonly version?: string
  readonly trace?: string
}

export interface StatusInfo {
  readonly name: string
  readonly connector: PartInfo
  readonly tasks: readonly ({ readonly id: number } & PartInfo)[]
  readonly type: 'sink' | 'source' | 'unknown'
}

/** What is known of the class that a configuration names. */
export interface Known {
  readonly definition: ConnectorDefinition | null
}

export function connectorInfo(name: string, state: ConfigState, { definition }: Known, plugins: Plugins): ConnectorInfo {
  return {
    name,
    config: withoutSecrets(state.config(name)!, plugins),
    tasks: state.tasks(name).map((_, task) => ({ connector: name, task })),
    type: definition?.kind ?? 'unknown',
  }
}

/** `restarting`: which of them are being started again. Throws HttpError 404. */
export function statusInfo(
  name: string,
  state: ConfigState,
  statuses: StatusStore,
  { definition }: Known,
  restarting: (status: Status, task: number | null) => boolean = () => false,
): StatusInfo {
  const status = statuses.connector(name)
  if (status === null) throw notFound(`No status found for connector ${name}`)
  const count = state.tasks(name).length
  const tasks = statuses.tasks(name).filter(({ task }) => task < count)
  return {
    name,
    connector: partInfo(status, restarting(status, null)),
    tasks: tasks.map(each => ({ id: each.task, ...partInfo(each.status, restarting(each.status, each.task)) })),
    type: definition?.kind ?? 'unknown',
  }
}

export function partInfo({ state, workerId, version, trace }: Status, isRestarting = false): PartInfo {
  return {
    state: isRestarting ? 'RESTARTING' : state,
    worker_id: workerId,
    ...(version === null ? {} : { version }),
    ...(trace === null || trace === '' ? {} : { trace }),
  }
}
