/** For how long the first record that a group has not read has been waiting, about. */
import { duration } from '../format.ts'

export function Behind({ ms }: { ms: number | null }) {
  const said = ms === null ? '–' : ms === 0 ? 'no' : duration(Math.max(ms, 1_000))
  return (
    <span title={ms === null ? 'Not known: longer than the console has looked' : 'From when its partitions ended where it is now'}>
      {said}
    </span>
  )
}
