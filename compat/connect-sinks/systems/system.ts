import type { Stage } from '../stage.ts'

/** A target with its cases. */
export interface System {
  readonly name: string
  /** Runs them; the server is there only meanwhile. May throw a Missing. */
  run(judge: Judge, stage: Stage): Promise<void>
}

/** Reports whether the case passes, and what it tells; never throws. */
export type Judge = (name: string, work: () => Promise<string> | Promise<void>) => Promise<void>
