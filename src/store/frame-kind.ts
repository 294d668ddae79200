/** What a frame of the journal is, in the column `kind`. */
export const frameKind = { data: 0, fence: 1, carry: 2, heartbeat: 3, checkpoint: 4 } as const
export type FrameKind = (typeof frameKind)[keyof typeof frameKind]
