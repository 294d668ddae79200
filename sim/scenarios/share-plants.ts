/** Planted bugs for share groups; see `exactly-once-plants.ts`. */
import { ShareCoordinator, SharePartition } from '../../src/coordinator.ts'
import { replaced } from './exactly-once-plants.ts'

const [accept, release] = [1, 2]

/** They need no running broker. */
export const sharePlants: Readonly<Record<string, () => () => void>> = {
  'acknowledgements are answered before they are durable': () =>
    replaced(
      ShareCoordinator.prototype,
      'write',
      write =>
        async function (this: ShareCoordinator, key, change) {
          const written = write.call(this, key, change)
          // A refusal is there at once; what takes longer is the disk.
          let refused: unknown = null
          written.catch(error => {
            refused = error
          })
          for (let turn = 0; turn < 20; turn++) await null
          if (refused !== null) throw refused
        },
    ),
  'what a member has acquired is free for others at once': () =>
    replaced(
      SharePartition.prototype,
      'acquire',
      acquire =>
        async function (this: SharePartition, limit) {
          const acquisition = await acquire.call(this, limit)
          if (acquisition !== null) await this.releaseMember(limit.memberId)
          return acquisition
        },
    ),
  'the stored start is one record too far': () =>
    replaced(
      ShareCoordinator.prototype,
      'write',
      write =>
        function (this: ShareCoordinator, key, change) {
          return write.call(this, key, { ...change, startOffset: Number(change.startOffset) + 1 })
        },
    ),
  'what is given back counts as accepted': () =>
    replaced(
      SharePartition.prototype,
      'acknowledge',
      acknowledge =>
        function (this: SharePartition, memberId, batches) {
          const changed = batches.map(batch => ({ ...batch, types: batch.types.map(type => (type === release ? accept! : type)) }))
          return acknowledge.call(this, memberId, changed)
        },
    ),
}
