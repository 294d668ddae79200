/** The states of triggers, in words and shapes. */
import { Mark, type Tone } from '../../ui/mark.tsx'

const tones: Record<string, Tone> = { RUNNING: 'good', FAILED: 'bad', PAUSED: 'idle', STOPPED: 'idle' }

export function TriggerState({ state }: { state: string }) {
  return <Mark tone={tones[state] ?? 'warn'}>{state.toLowerCase()}</Mark>
}
