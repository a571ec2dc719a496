/* SPDX */ int main(void){return 77;}
