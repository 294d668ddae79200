/**
 * Regular expressions from clients (KIP-848, KIP-1152): RE2's syntax, matched against whole names in linear time by following all paths at
 * once, as RE2 does. JavaScript's own engine backtracks, so a client's pattern could block the broker. As in RE2, there are no
 * back-references and no look-around.
 *
 * Matching is a generator, because even linear time is long if the pattern, the names or both are large.
 */
import { type CharTest, parseRegex, type RegexNode } from './regex-parse.ts'

/** Repetitions are unrolled: nested ones could fill the memory. */
const mostInstructions = 20_000
/** Between two pauses: well below a millisecond. */
const stepsAtOnce = 5_000

type Instruction =
  | { kind: 'char'; test: CharTest; cost: number; next: number }
  | { kind: 'split'; next: number; other: number }
  | { kind: 'assert'; holds: (text: readonly number[], at: number) => boolean; next: number }
  | { kind: 'match' }

/** Throws an Error that says what is wrong with the pattern. */
export function compileRegex(pattern: string): Regex {
  const program: Instruction[] = [{ kind: 'match' }]
  return new Regex(program, emit(parseRegex(pattern), 0, program))
}

/** Appends instructions that match `node` and continue at `next`; returns where they begin. */
function emit(node: RegexNode, next: number, program: Instruction[]): number {
  switch (node.kind) {
    case 'char':
      return push(program, { kind: 'char', test: node.test, cost: node.cost, next })
    case 'assert':
      return push(program, { kind: 'assert', holds: node.holds, next })
    case 'concat':
      return node.parts.reduceRight((after, part) => emit(part, after, program), next)
    case 'alternate':
      return node.parts
        .map(part => emit(part, next, program))
        .reduceRight((other, part) => push(program, { kind: 'split', next: part, other }))
    case 'repeat': {
      let after = next
      if (node.max === null) {
        const loop: Instruction & { kind: 'split' } = { kind: 'split', next: 0, other: next }
        after = push(program, loop)
        loop.next = emit(node.part, after, program)
      } else {
        for (let count = node.min; count < node.max; count++) {
          after = push(program, { kind: 'split', next: emit(node.part, after, program), other: next })
        }
      }
      for (let count = 0; count < node.min; count++) after = emit(node.part, after, program)
      return after
    }
  }
}

function push(program: Instruction[], instruction: Instruction): number {
  if (program.length >= mostInstructions) throw new Error('expression is too large')
  return program.push(instruction) - 1
}

class Regex {
  readonly #program: readonly Instruction[]
  readonly #start: number
  /** In which round each instruction was last reached: at most once per character. */
  readonly #reached: Float64Array
  #round = 1
  #steps = 0

  /** Of {@link compileRegex}. */
  constructor(program: readonly Instruction[], start: number) {
    this.#program = program
    this.#start = start
    this.#reached = new Float64Array(program.length)
  }

  /** Those names that match as a whole. Throws when that takes more than `mostSteps`; a step is some nanoseconds. */
  *select(names: Iterable<string>, mostSteps: number): Generator<void, string[]> {
    const matching: string[] = []
    let pauseAt = stepsAtOnce
    this.#steps = 0
    for (const name of names) {
      const text = Array.from(name, char => char.codePointAt(0)!)
      this.#steps += text.length
      let current = this.#reach([], this.#start, text, 0)
      for (let at = 0; at < text.length && current.length > 0; at++) {
        const next: number[] = []
        this.#round++
        for (const index of current) {
          const instruction = this.#program[index]!
          if (instruction.kind !== 'char') continue
          this.#steps += instruction.cost
          if (this.#steps > pauseAt) {
            if (this.#steps > mostSteps) throw new Error('expression takes too long to match')
            pauseAt = this.#steps + stepsAtOnce
            yield
          }
          if (instruction.test(text[at]!)) this.#reach(next, instruction.next, text, at + 1)
        }
        current = next
      }
      if (current.includes(0)) matching.push(name)
      this.#round++
    }
    return matching
  }

  /** Adds to `into` what can be reached without a character. */
  #reach(into: number[], first: number, text: readonly number[], at: number): number[] {
    const stack = [first]
    for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
      if (this.#reached[index] === this.#round) continue
      this.#reached[index] = this.#round
      this.#steps++
      const instruction = this.#program[index]!
      if (instruction.kind === 'split') stack.push(instruction.other, instruction.next)
      else if (instruction.kind !== 'assert') into.push(index)
      else if (instruction.holds(text, at)) stack.push(instruction.next)
    }
    return into
  }
}
