/** A target with its cases. */
export interface System {
  readonly name: string
  /** Runs them; the server is there only meanwhile. May throw a Missing. */
  run(judge: Judge): Promise<void>
}

/** Reports whether the case passes; never throws. */
export type Judge = (name: string, work: () => Promise<void>) => Promise<void>
