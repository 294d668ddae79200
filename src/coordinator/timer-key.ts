/** The name of a shard's timer: its kind and its owner. The type prevents names from being built in any other way. */
import { joinedKey } from '../base.ts'

declare const brand: unique symbol
export type TimerKey = string & { readonly [brand]: true }

export function timerKey(kind: string, ...names: readonly string[]): TimerKey {
  return joinedKey(kind, ...names) as TimerKey
}
