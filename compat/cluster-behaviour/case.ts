/** A sentence of the promise as a check. */
import type { World } from './world.ts'

/** By name. Each resolves to what was measured, or rejects with what does not hold, and leaves three brokers that serve. */
export type Cases = Readonly<Record<string, (world: World) => Promise<string>>>
