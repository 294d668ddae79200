/** In place of a partition, where a frame of the journal has to speak of one that gathers nothing itself. */
import type { Uuid } from '../../protocol.ts'
import type { JournalFile, Member } from './member.ts'

export class StandIn implements Member {
  readonly topic: string
  readonly topicId: Uuid
  readonly partition: number
  boundFile: JournalFile | null = null
  slot = 0
  readonly logEndOffset = 0
  readonly synced = false
  /** So that no checkpoint looks for its state. */
  readonly deleted = true

  constructor({ topic, topicId, partition }: { topic: string; topicId: Uuid; partition: number }) {
    this.topic = topic
    this.topicId = topicId
    this.partition = partition
  }

  protect(): null {
    return null
  }
  writeOut(): null {
    return null
  }
  committed(): void {}
  durable(): void {}
  takeBack(): void {}
  notify(): void {}
}

/** Whose binding is not said again in later frames. */
export class OnceBound extends StandIn {
  override committed(): void {
    this.boundFile = null
  }
}
