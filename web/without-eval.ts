/** Before the first schema is made: zod would try whether it may compile code, which the policy of the page reports. */
import { config } from 'zod';

config({ jitless: true });
