/** `millrace mirror`: copies topics, records, ACLs and offsets of groups from another cluster. */
import { pause, realSystem, type System } from '../base.ts'
import { type Client, ClientError } from '../client.ts'
import { MirrorError, type MirrorOptions, type MirrorProgress, type MirrorReport, mirror } from '../mirror.ts'
import { connect } from './connect.ts'
import type { ClientFlags } from './options.ts'
import { CommandFailed, plural, rateText, show, size, UsageError } from './output.ts'
import { type Progress, ProgressLine } from './progress-line.ts'
import { onStopRequest } from './stop.ts'

export interface MirrorFlags extends ClientFlags {
  from?: string
  fromConfig?: string
  topic?: string[]
  exclude?: string[]
  acls: boolean
  groups: boolean
  merge?: boolean
  dryRun?: boolean
  follow?: number | true
  patience: number
}

const defaultFollowMs = 10_000
const sourcePassword = 'MILLRACE_FROM_PASSWORD'
/** Of a list of names in a report. */
const mostNames = 5

export async function mirrorFrom(flags: MirrorFlags): Promise<void> {
  if (flags.from === undefined && flags.fromConfig === undefined) throw new UsageError('--from HOST:PORT says where to copy from')
  if (flags.follow !== undefined && flags.dryRun) throw new UsageError('--follow cannot be combined with --dry-run')
  const system = realSystem()
  await using source = await connectToSource(flags)
  await using target = await connect(flags)
  const stop = new AbortController()
  const progress = new ProgressLine(system)
  const told = new Waiting(progress)
  const options: MirrorOptions = {
    ...{ source, target, system, isWanted: chosen(flags), acls: flags.acls, groups: flags.groups },
    ...{ merge: flags.merge === true, dryRun: flags.dryRun === true, patienceMs: flags.patience, signal: stop.signal },
    onProgress: each => progress.show(each.step, () => progressOf(each, told.secondsSince(system))),
    onWaiting: reason => told.waiting(reason),
  }
  const off = onStopRequest(system, () => stop.abort())
  try {
    for (;;) {
      const report = await run(options, progress)
      await show(flags.json, report, () => describe(report))
      if (flags.follow === undefined || stop.signal.aborted) return finish(report)
      await pause(system, flags.follow === true ? defaultFollowMs : flags.follow, stop.signal)
      if (stop.signal.aborted) return
    }
  } finally {
    off()
  }
}

/** The environment is about the target. */
function connectToSource({ from, fromConfig }: MirrorFlags): Promise<Client> {
  const named = { ...(from === undefined ? {} : { bootstrap: from }), ...(fromConfig === undefined ? {} : { clientConfig: fromConfig }) }
  return connect(named, { [sourcePassword]: process.env[sourcePassword] }, sourcePassword)
}

async function run(options: MirrorOptions, progress: ProgressLine): Promise<MirrorReport> {
  try {
    return await mirror(options)
  } catch (error) {
    if (error instanceof MirrorError) throw new CommandFailed(error.message)
    if (error instanceof ClientError && (error.code === 'UNREACHABLE' || error.code === 'TIMEOUT'))
      throw new CommandFailed(
        options.dryRun ? error.message : `${error.message}. What was copied stays: run the same command again to go on`,
      )
    throw error
  } finally {
    progress.end()
  }
}

/** Exit code 1 if something that was asked for is not there. */
function finish({ failed, stopped, offsetsLeft, dryRun }: MirrorReport): void {
  if (stopped && offsetsLeft > 0n) throw new CommandFailed('stopped before the end: run the same command again to go on')
  if (failed.length > 0)
    throw new CommandFailed(
      `${plural(failed.length, 'item')} ${dryRun ? 'cannot be' : failed.length === 1 ? 'was not' : 'were not'} copied: see above`,
    )
}

/** A cluster that does not answer is told once, and when it answers again. */
class Waiting {
  readonly #progress: ProgressLine
  #isWaiting = false
  #sinceMs: number | null = null

  constructor(progress: ProgressLine) {
    this.#progress = progress
  }

  waiting(reason: string | null): void {
    if (reason !== null && !this.#isWaiting) this.#progress.say(`waiting: ${reason}`)
    if (reason === null && this.#isWaiting) this.#progress.say('it answers again')
    this.#isWaiting = reason !== null
  }

  secondsSince({ clock }: System): number {
    this.#sinceMs ??= clock.monotonic()
    return (clock.monotonic() - this.#sinceMs) / 1000
  }
}

function progressOf({ step, done, total, records, bytes }: MirrorProgress, seconds: number): Progress {
  const part = total === 0 ? 1 : done / total
  if (step === 'topics') return { part, text: `topic ${done} of ${total}` }
  if (step === 'groups') return { part, text: `group ${done} of ${total}` }
  const rate = seconds < 1 ? '' : `, ${size(BigInt(Math.round(bytes / seconds)))}/s, ${rateText(records / seconds)} records/s`
  return { part, text: `${plural(records, 'record')}, ${size(BigInt(bytes))}${rate}` }
}

/** null: all. */
function chosen({ topic, exclude }: MirrorFlags): MirrorOptions['isWanted'] {
  if (topic === undefined && exclude === undefined) return null
  const [wanted, unwanted] = [topic?.map(toPattern), exclude?.map(toPattern) ?? []]
  return name => (wanted?.some(each => each.test(name)) ?? !name.startsWith('__')) && !unwanted.some(each => each.test(name))
}

/** `*` stands for anything. */
function toPattern(text: string): RegExp {
  return new RegExp(
    `^${text
      .split('*')
      .map(part => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}$`,
  )
}

function describe(report: MirrorReport): string {
  const { dryRun, topics, partitions, created, changed, records, bytes, offsetsLeft, acls, groups, left, failed } = report
  const done = dryRun ? 'would be ' : ''
  return [
    `${dryRun ? 'Would copy' : 'Copied'} from cluster ${report.source} to ${report.target}:`,
    `  ${plural(topics, 'topic')} with ${plural(partitions, 'partition')}: ${created.length} ${done}created, ${new Set(changed.map(each => each.topic)).size} ${done}changed`,
    ...some(changed.map(({ topic, change }) => `    ${topic}: ${change}`)),
    dryRun
      ? `  about ${plural(offsetsLeft, 'record')}`
      : `  ${plural(records, 'record')}, ${size(BigInt(bytes))}${offsetsLeft > 0n ? `; ${plural(offsetsLeft, 'offset')} left` : ''}`,
    ...(acls === null ? [] : [`  ${plural(acls.copied, 'ACL')}${acls.there > 0 ? `; ${acls.there} were there` : ''}`]),
    ...(groups === null ? [] : [`  ${plural(groups.offsets, 'offset')} of ${plural(groups.copied, 'group')}`]),
    'Not copied:',
    '  users and their passwords, quotas, delegation tokens, settings of brokers, transactions and producers',
    ...left.map(({ what, names }) => `  ${what}${names.length === 0 ? '' : `: ${listed(names)}`}`),
    ...(failed.length === 0
      ? []
      : [
          'Failed:',
          ...some(
            failed.map(({ name, reason }) => `  ${name}: ${reason}`),
            100,
          ),
        ]),
    '',
  ].join('\n')
}

function some(lines: string[], most = 20): string[] {
  return lines.length <= most ? lines : [...lines.slice(0, most), `    … and ${lines.length - most} more (--json has all)`]
}

function listed(names: readonly string[]): string {
  const more = names.length - mostNames
  return `${names.slice(0, mostNames).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
