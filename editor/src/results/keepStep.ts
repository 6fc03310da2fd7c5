/** Two clips that are seen at once run in step: the longer one leads, the shorter one waits on its last frame. */

export interface Clip {
  currentTime: number;
  loop: boolean;
  readonly duration: number;
  readonly paused: boolean;
  readonly seeking: boolean;
  play(): Promise<void>;
  pause(): void;
}

/** Seconds that the clips may be apart while they run: less than a frame of most clips is wide. */
const SLACK = 0.045;
const END = 0.001;

/** The clip that leads: the longest whose length is known, of equals the first. */
export function leaderOf<T extends Clip>(clips: readonly T[]): T | undefined {
  return clips.reduce<T | undefined>(
    (best, one) => (best === undefined || lengthOf(one) > lengthOf(best) ? one : best),
    undefined,
  );
}

export function lengthOf({ duration }: Clip): number {
  return Number.isFinite(duration) ? duration : 0;
}

/** Bring all others to where the leader is; called for each frame that is drawn. */
export function keepStep(clips: readonly Clip[]): void {
  const leader = leaderOf(clips);
  if (leader === undefined || lengthOf(leader) === 0) return;
  leader.loop = true;
  for (const clip of clips) if (clip !== leader && lengthOf(clip) > 0) follow(leader, clip);
}

function follow(leader: Clip, clip: Clip): void {
  clip.loop = false;
  const end = lengthOf(clip) - END;
  const over = leader.currentTime >= end;
  const at = over ? end : leader.currentTime;
  const apart = Math.abs(clip.currentTime - at);
  if (!clip.seeking && apart > (leader.paused || over ? END : SLACK)) clip.currentTime = at;
  const still = leader.paused || over;
  if (still && !clip.paused) clip.pause();
  if (!still && clip.paused) clip.play().catch(() => undefined); // a pause came between
}
