/** Kafka's states of groups. */
import { Mark, type Tone } from '../ui/mark.tsx'

const tones: Record<string, Tone> = { Stable: 'good', Empty: 'idle', Dead: 'bad' }

export function GroupState({ state }: { state: string }) {
  return <Mark tone={tones[state] ?? 'warn'}>{state.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase()}</Mark>
}
