/** `millrace trigger filter`: which events pass a pattern, one line for each line of standard input. */
import { compileEventPattern, ExprError, parseTokens } from '../expr.ts'
import { write } from './output.ts'
import { readLines } from './produce.ts'

/** Lines with the same pattern follow each other; the last ones are kept compiled. */
const mostKept = 100

export async function filterEvents(): Promise<void> {
  const kept = new Map<string, ReturnType<typeof compileEventPattern>>()
  for await (const lines of readLines(process.stdin))
    for (const line of lines) {
      const text = line.toString().trim()
      if (text !== '') await write(`${judge(text, kept)}\n`)
    }
}

/** `true`, `false`, or what is wrong. */
function judge(line: string, kept: Map<string, ReturnType<typeof compileEventPattern>>): string {
  try {
    const { pattern, event } = partsOf(line)
    const key = JSON.stringify(pattern)
    let compiled = kept.get(key)
    if (compiled === undefined) {
      compiled = compileEventPattern(pattern)
      if (kept.size >= mostKept) kept.clear()
      kept.set(key, compiled)
    }
    return String(compiled.matches(event))
  } catch (error) {
    if (error instanceof ExprError) return error.message.replaceAll(/\s+/g, ' ')
    throw error
  }
}

/** Each of them as JSON, or as a string with JSON in it. */
function partsOf(line: string): { pattern: unknown; event: unknown } {
  const parsed = parse(line, 'the line')
  if (typeof parsed !== 'object' || parsed === null || !Object.hasOwn(parsed, 'pattern') || !Object.hasOwn(parsed, 'event'))
    throw new ExprError('a line must be {"pattern": …, "event": …}')
  const { pattern, event } = parsed as { pattern: unknown; event: unknown }
  return {
    pattern: typeof pattern === 'string' ? parse(pattern, 'the pattern') : pattern,
    event: typeof event === 'string' ? parse(event, 'the event') : event,
  }
}

function parse(text: string, what: string): unknown {
  try {
    return parseTokens(text)
  } catch (error) {
    throw new ExprError(`${what} is not valid JSON: ${(error as Error).message}`, null, error)
  }
}
