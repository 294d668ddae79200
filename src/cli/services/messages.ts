/** What `millrace start` and its services process say to each other over Node's IPC channel. */
import type { ServiceName, ServicesSettings } from '../../services.ts'
import type { LogLevel } from '../processes/messages.ts'

export interface ServicesOrder {
  readonly settings: ServicesSettings
  readonly level: LogLevel
}

/** The exit code of a services process whose ports are all taken: another one would find them taken, too. */
export const allPortsTaken = 75

export type ServicesReport =
  | {
      readonly type: 'ready'
      /** Of the services that run. */
      readonly ports: readonly (readonly [ServiceName, number])[]
    }
  /** A failure that nothing handled; the process goes on. */
  | { readonly type: 'unhandled' }
