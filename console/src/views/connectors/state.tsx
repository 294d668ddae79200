/** The states of connectors, tasks and triggers, in words and shapes. */
import { duration } from '../../format.ts'
import { Mark, type Tone } from '../../ui/mark.tsx'

const tones: Record<string, Tone> = { RUNNING: 'good', FAILED: 'bad', PAUSED: 'idle', STOPPED: 'idle' }

export function State({ state, nextTryMs = null }: { state: string; nextTryMs?: number | null }) {
  return <Mark tone={tones[state] ?? 'warn'}>{`${state.toLowerCase()}${nextTryMs === null ? '' : `, ${nextTry(nextTryMs)}`}`}</Mark>
}

interface WholeState {
  state: string
  tasks: number
  running: number
  failed: number
  nextTryMs: number | null
}

/** Of a connector with its tasks: what has failed counts more than what does not run yet, and that more than what runs. */
export function ConnectorState({ state, tasks, running, failed, nextTryMs }: WholeState) {
  if (failed === 0 && state === 'RUNNING' && running < tasks)
    return <Mark tone="warn">{tasks === 1 ? 'its task does not run yet' : `${running} of ${tasks} tasks run`}</Mark>
  if (failed === 0 && state === 'RUNNING' && tasks === 0) return <Mark tone="warn">running, without tasks</Mark>
  if (failed === 0 || state === 'FAILED') return <State state={state} nextTryMs={nextTryMs} />
  const said = tasks === 1 ? 'its task failed' : `${failed} of ${tasks} tasks failed`
  return <Mark tone="bad">{`${said}${nextTryMs === null ? '' : `, ${nextTry(nextTryMs)}`}`}</Mark>
}

export function nextTry(atMs: number): string {
  const left = atMs - Date.now()
  return left <= 1_000 ? 'next try now' : `next try in ${duration(Math.round(left / 1_000) * 1_000)}`
}
