/** The name of a shard's timer: its kind, and whose it is. The type keeps names from being glued together in any other way. */
import { joinedKey } from '../base.ts'

declare const brand: unique symbol
export type TimerKey = string & { readonly [brand]: true }

export function timerKey(kind: string, ...names: readonly string[]): TimerKey {
  return joinedKey(kind, ...names) as TimerKey
}
