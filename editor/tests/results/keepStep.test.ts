import { describe, expect, it } from 'vitest';
import { keepStep, leaderOf, type Clip } from '../../src/results/keepStep';

class Player implements Clip {
  loop = false;
  seeking = false;
  seeks = 0;

  constructor(
    readonly duration: number,
    private time = 0,
    public paused = false,
  ) {}

  get currentTime(): number {
    return this.time;
  }

  set currentTime(time: number) {
    this.time = time;
    this.seeks++;
  }

  play(): Promise<void> {
    this.paused = false;
    return Promise.resolve();
  }

  pause(): void {
    this.paused = true;
  }
}

describe('two clips', () => {
  it('are led by the longer one, which alone begins again', () => {
    const [short, long] = [new Player(1), new Player(2, 0.5)];
    expect(leaderOf([short, long])).toBe(long);
    keepStep([short, long]);
    expect(short.currentTime).toBe(0.5);
    expect([short.loop, long.loop]).toEqual([false, true]);
  });

  it('are left alone while they are less than a frame apart', () => {
    const [one, other] = [new Player(2, 1), new Player(2, 0.98)];
    keepStep([one, other]);
    expect(other.seeks).toBe(0);
  });

  it('stand at exactly one place when they are held', () => {
    const [one, other] = [new Player(2, 1, true), new Player(2, 0.98)];
    keepStep([one, other]);
    expect(other.currentTime).toBe(1);
    expect(other.paused).toBe(true);
  });

  it('go on together', () => {
    const [one, other] = [new Player(2, 1), new Player(2, 1, true)];
    keepStep([one, other]);
    expect(other.paused).toBe(false);
  });

  it('end on the last frame of the shorter, once', () => {
    const [long, short] = [new Player(3, 2.5), new Player(1, 0.9)];
    keepStep([long, short]);
    expect(short.currentTime).toBeCloseTo(1, 2);
    expect(short.currentTime).toBeLessThan(1);
    expect(short.paused).toBe(true);
    keepStep([long, short]);
    expect(short.seeks).toBe(1);
  });

  it('wait for one that is on its way', () => {
    const [one, other] = [new Player(2, 1), new Player(2, 0)];
    other.seeking = true;
    keepStep([one, other]);
    expect(other.seeks).toBe(0);
  });

  it('of which one is not known yet do nothing', () => {
    const [one, other] = [new Player(NaN), new Player(2, 1)];
    keepStep([one, other]);
    keepStep([]);
    expect([one.seeks, other.seeks]).toEqual([0, 0]);
  });
});
