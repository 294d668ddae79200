/** Trouble with the disk, for a while: the n-th operation of a kind fails, or there is hardly any space. */
import type { Operation } from '../world/faults.ts'
import type { SeededRandom } from '../world/random.ts'
import type { World } from '../world/world.ts'

const operations: readonly Operation[] = ['write', 'write', 'write', 'truncate', 'open', 'create', 'rename', 'remove', 'read']
const paths: readonly RegExp[] = [/(?:)/, /\.journal$/, /state\.log/, /\d\.log$/, /\.(index|timeindex|txnindex|snapshot)$/, /metadata/]

export function makeTrouble({ disk, note }: World, random: SeededRandom): void {
  if (random.chance(0.3)) {
    disk.faults.space = random.below(random.pick([500, 10_000]))
    note(`space ${disk.faults.space}`)
    return
  }
  const [operation, code] = [random.pick(operations), random.pick(['ENOSPC', 'EIO', 'EMFILE'])]
  const [nth, path] = [1 + random.below(3), random.pick(paths)]
  disk.faults.fail(operation, code, { nth, path })
  note(`trouble: ${operation} ${nth} of ${path}: ${code}`)
}

export function endTrouble({ disk, note }: World): void {
  disk.faults.forget()
  disk.faults.space = null
  note('trouble ends')
}
