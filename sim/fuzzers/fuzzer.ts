/** The interface of a fuzzer: a source of inputs, each tried once. Errors are findings. */
import type { SeededRandom } from '../world/random.ts'

export interface Fuzzer {
  readonly name: string
  /** Tries one input. Throws {@link FuzzFinding} when a promise is broken. */
  once(random: SeededRandom): void | Promise<void>
  close(): Promise<void>
}

export class FuzzFinding extends Error {
  /** What was tried, for a test. */
  readonly input: Buffer

  constructor(message: string, input: Buffer) {
    super(message)
    this.name = 'FuzzFinding'
    this.input = input
  }
}

/** No single small input may hold the event loop for longer. */
const longestMs = 1000

/** Runs `attempt`; errors that `mayThrow` accepts are answers, everything else is a finding. */
export function judge(what: string, input: Buffer, mayThrow: (error: unknown) => boolean, attempt: () => void): void {
  const start = performance.now()
  try {
    attempt()
  } catch (error) {
    if (!mayThrow(error)) throw new FuzzFinding(`${what}: ${error instanceof Error ? error.stack : String(error)}`, input)
  }
  const tookMs = performance.now() - start
  if (tookMs > longestMs) throw new FuzzFinding(`${what} took ${Math.round(tookMs)} ms`, input)
}
