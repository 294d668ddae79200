/** From measurements to ratios, and to the table of a document. */
import type { AnyRow, Goal, Measured } from './row.ts'

/** Rows with a document of their own. */
export interface Suite {
  readonly rows: readonly AnyRow[]
  readonly resultsFile: string
  /** Path in the repository. */
  readonly document: string
  /** Its text before the table. */
  readonly introduction: string
  /** Before the first row. Throws a Missing that says what cannot be had. */
  prepare?(): Promise<void>
}

/** What one row found in one run. `rounds` are in the order in which they were measured. */
export interface Result {
  name: string
  settings: string
  date: string
  commit: string
  machine: string
  /** Requests of the warm-up; empty for rows with a new process in each round. */
  warmed: { millrace?: number; kafka?: number }
  millrace: Measured[]
  kafka: Measured[]
  /** CPU seconds per GB of the gathered sink, a figure for each round; empty where no goal asks for it. */
  floor: number[]
}

/** A median with the least and the most of all rounds. */
interface Spread {
  median: number
  least: number
  most: number
}

export interface Verdict {
  goal: Goal
  millrace: Spread
  /** Kafka's figure, or the sink's; null for goals that stand by themselves. */
  other: Spread | null
  /** Of the medians; of the rounds in pairs. */
  ratio: Spread
  /** null: there is no goal. */
  met: boolean | null
}

export function verdicts(row: AnyRow, result: Result): Verdict[] {
  return row.goals.flatMap(goal => {
    const values = result.millrace.map(each => each[goal.metric]!)
    const others = yardstick(goal, result)
    if (values.length === 0 || others?.length === 0) return []
    const millrace = spread(values)
    const other = others === null ? null : spread(others)
    const pairs = values.map((value, round) => value / (others?.[round] ?? other?.median ?? 1))
    const ratio = { ...spread(pairs), median: millrace.median / (other?.median ?? 1) }
    const judged = goal.everyRound ? [ratio.least, ratio.most] : [ratio.median]
    const isAim = goal.atLeast !== undefined || goal.atMost !== undefined
    const isMet = judged.every(each => each >= (goal.atLeast ?? 0) && each <= (goal.atMost ?? Number.POSITIVE_INFINITY))
    return [{ goal, millrace, other, ratio, met: isAim ? isMet : null }]
  })
}

function yardstick(goal: Goal, { kafka, floor }: Result): readonly number[] | null {
  if (goal.against === 'nothing') return null
  return goal.against === 'sink' ? floor : kafka.map(each => each[goal.metric]!)
}

function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  return { median, least: sorted[0]!, most: sorted.at(-1)! }
}

function figure(value: number, unit = ''): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3
  const separator = unit === '' || unit.startsWith('/') ? '' : ' '
  return `${value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits })}${separator}${unit}`
}

const withSpread = ({ median, least, most }: Spread, unit = '') => `${figure(median, unit)} (${figure(least)}–${figure(most)})`

function wanted({ atLeast, atMost, everyRound }: Goal): string {
  if (atLeast === undefined && atMost === undefined) return ''
  return `${atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`}${everyRound ? ' in every round' : ''}`
}

const words = (met: boolean | null, yes: string, no: string) => (met === null ? '' : met ? yes : no)

const yardsticks = { kafka: 'Kafka', sink: 'gathered sink', nothing: '' }

/** One line for the terminal. */
export function sentence({ goal, millrace, other, ratio, met }: Verdict): string {
  const against = other === null ? '' : ` against ${withSpread(other, goal.unit)} (${yardsticks[goal.against]}), ratio ${withSpread(ratio)}`
  const aim = met === null ? '' : `, goal ${wanted(goal)}`
  return `  ${words(met, 'met', 'MISSED').padEnd(6)} ${goal.label}: ${withSpread(millrace, goal.unit)}${against}${aim}`
}

export function page({ rows, introduction }: Suite, results: readonly Result[]): string {
  const known = rows.flatMap(row => results.filter(each => each.name === row.name).map(result => ({ row, result })))
  if (known.length === 0) return `${introduction}\nNo row has been measured yet.\n`
  const lines = [introduction, ...origin(known.map(each => each.result)), '']
  lines.push('| row | goal | Millrace | compared with | ratio | met? |', '|---|---|---|---|---|---|')
  for (const { row, result } of known) for (const verdict of verdicts(row, result)) lines.push(tableLine(row.name, verdict))
  lines.push('', '## Rows', '')
  for (const { row, result } of known) lines.push(`- **${row.name}**: ${result.settings}. ${howMeasured(row, result)}`)
  return `${lines.join('\n')}\n`
}

/** Figures of different commits are not one table: then each row says its own. */
function origin(results: readonly Result[]): string[] {
  const origins = new Set(results.map(each => `commit ${each.commit}, ${each.date}, ${each.machine}`))
  return origins.size === 1 ? [`All rows: ${[...origins][0]}.`] : ['**These rows were measured at different commits**, named below.']
}

function howMeasured(row: AnyRow, result: Result): string {
  const { millrace, kafka } = result.warmed
  const count = (requests: number | undefined) => (requests ?? 0).toLocaleString('en-US')
  const requests = row.alone === undefined ? `${count(millrace)} and ${count(kafka)}` : count(millrace)
  const warm = row.cold === undefined ? `Warm-up: ${requests} requests` : `No common warm-up: ${row.cold}`
  const alone = row.alone === undefined ? '' : ` Millrace alone: ${row.alone}.`
  const probes = spread([...result.millrace, ...result.kafka].map(each => each['memoryProbe']!))
  const rounds = `${result.millrace.length} rounds, memory ${withSpread(probes, 's/GB')}`
  return `${warm}.${alone} ${rounds}; commit ${result.commit}, ${result.date}.`
}

function tableLine(name: string, { goal, millrace, other, ratio, met }: Verdict): string {
  const theirs = other === null ? '' : `${yardsticks[goal.against]} ${withSpread(other, goal.unit)}`
  const cells = [
    `${name}: ${goal.label}`,
    wanted(goal),
    withSpread(millrace, goal.unit),
    theirs,
    other === null ? '' : withSpread(ratio),
    words(met, 'yes', '**no**'),
  ]
  return `| ${cells.join(' | ')} |`
}
