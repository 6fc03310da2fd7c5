import { describe, expect, it } from 'vitest';
import { unfit } from '../../src/connection/unfit';

const file = (name: string, type: string, size = 1) => ({ name, type, size });

describe('a file that is chosen', () => {
  it('is refused where something else is wanted, before it is sent', () => {
    expect(unfit(file('notes.txt', 'text/plain'), 'image')).toBe('notes.txt is a text, not image');
    expect(unfit(file('clip.mp4', 'video/mp4'), 'image')).toBe('clip.mp4 is of kind video, not image');
    expect(unfit(file('dog.png', 'image/png', 0), 'image')).toBe('dog.png is empty');
  });

  it('is sent where it may be what is wanted', () => {
    expect(unfit(file('dog.png', 'image/png'), 'image')).toBe('');
    expect(unfit(file('wave.gif', 'image/gif'), 'video')).toBe('');
    expect(unfit(file('clip.mp4', 'video/mp4'), 'audio')).toBe('');
    expect(unfit(file('unknown.mkv', ''), 'video')).toBe('');
    expect(unfit(file('rows.csv', 'text/csv'), '')).toBe('');
  });
});
