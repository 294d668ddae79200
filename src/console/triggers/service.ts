/** What the triggers service answers. It is of the same process, so that its answers have the form that this one knows. */
import { HttpError } from '../../http.ts'
import type { Peer } from '../peers.ts'

export interface Counts {
  readonly calls: number
  readonly errors: number
  readonly givenUp: number
  /** In the function. */
  readonly seconds: number
  readonly throttles: number
  readonly records: number
  /** Of the oldest record that is not done; 0: none waits. */
  readonly ageMs: number
}

export interface TriggerRow extends Counts {
  readonly name: string
  readonly version: number
  readonly state: string
  /** Why it does not read, or does not get ahead. null also for whoever may not see the trigger. */
  readonly reason: string | null
  /** Empty for whoever may not read all of them. */
  readonly topics: readonly string[]
  readonly envelope: string
  /** The language, or a URL without its query. */
  readonly function: string
}

export interface TriggerFound {
  readonly name: string
  readonly version: number
  readonly by: string
  readonly at: string
  readonly restores: number | null
  readonly definition: Record<string, unknown>
  readonly status: {
    readonly state: string
    readonly reason: string | null
    readonly partitions: readonly unknown[]
    readonly lastError: { readonly at: string; readonly kind: string; readonly message: string } | null
    readonly errors: Readonly<Record<string, number>>
  }
}

/** Throws HttpError 404. */
export function required(triggers: Peer | null): Peer {
  if (triggers !== null) return triggers
  throw new HttpError(404, 404, 'No triggers run here. Run them beside the console with services=console,triggers')
}

export const pathOf = (name: string, rest = '') => `/triggers/${encodeURIComponent(name)}${rest}`

interface Page {
  readonly total: number
  readonly triggers: readonly TriggerRow[]
}

export async function listTriggers(triggers: Peer, { search = '', from = 0, limit }: { search?: string; from?: number; limit: number }) {
  const asked = new URLSearchParams({ search, from: String(from), limit: String(limit) })
  return (await triggers.ask('GET', `/triggers?${asked}`)) as Page
}

/** Throws HttpError 404, and 403 if the caller could not do what the trigger does. */
export async function oneTrigger(triggers: Peer, name: string): Promise<TriggerFound> {
  return (await triggers.ask('GET', pathOf(name))) as TriggerFound
}
