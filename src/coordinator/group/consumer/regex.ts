/**
 * Regular expressions of subscriptions (KIP-848): RE2's syntax, matched against whole topic names in linear time by following all paths at
 * once, as RE2 does. JavaScript's own engine backtracks, so that one member's pattern could stop the broker. What RE2 leaves out
 * (back-references, looking around) is left out here.
 */
import { type CharTest, parseRegex, type RegexNode } from './regex-parse.ts'

/** Repetitions are unrolled: nested ones could fill the memory. */
const mostInstructions = 20_000
/** Steps over all topic names: some hundred milliseconds. */
const mostSteps = 20_000_000

type Instruction =
  | { kind: 'char'; test: CharTest; next: number }
  | { kind: 'split'; next: number; other: number }
  | { kind: 'assert'; holds: (text: readonly number[], at: number) => boolean; next: number }
  | { kind: 'match' }

/** Throws when the pattern is wrong, or (from the returned test) when following it takes too long. */
export function compileRegex(pattern: string): (text: string) => boolean {
  const program: Instruction[] = [{ kind: 'match' }]
  const start = emit(parseRegex(pattern), 0, program)
  const run = { steps: 0 }
  return text =>
    matches(
      program,
      start,
      Array.from(text, char => char.codePointAt(0)!),
      run,
    )
}

/** Appends what matches `node` and goes on at `next`; returns where it begins. */
function emit(node: RegexNode, next: number, program: Instruction[]): number {
  switch (node.kind) {
    case 'char':
      return push(program, { kind: 'char', test: node.test, next })
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

function matches(program: readonly Instruction[], start: number, text: readonly number[], run: { steps: number }): boolean {
  /** When each instruction was last reached: at most once per position. */
  const reachedAt = new Int32Array(program.length).fill(-1)
  let current: number[] = []
  const reach = (into: number[], first: number, at: number) => {
    const stack = [first]
    for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
      if (reachedAt[index] === at) continue
      reachedAt[index] = at
      if (++run.steps > mostSteps) throw new Error('expression takes too long to match')
      const instruction = program[index]!
      if (instruction.kind === 'split') stack.push(instruction.other, instruction.next)
      else if (instruction.kind !== 'assert') into.push(index)
      else if (instruction.holds(text, at)) stack.push(instruction.next)
    }
  }
  reach(current, start, 0)
  for (let at = 0; at < text.length && current.length > 0; at++) {
    const next: number[] = []
    for (const index of current) {
      const instruction = program[index]!
      if (instruction.kind === 'char' && instruction.test(text[at]!)) reach(next, instruction.next, at + 1)
    }
    current = next
  }
  return current.includes(0)
}
